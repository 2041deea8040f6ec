"""A ring too small on purpose: what is lost is listed to the transaction; with --on-full block nothing is lost."""
import os
import signal
import time

from harness import Origin, Sidecar, check_all_recorded, equal, folder, ids_of, load_begin, load_end


def sidecar(origin, on_full):
    where = folder()
    return Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                   origin.port, "--in-bind", "127.0.0.1", "--spool-size", "1MiB", "--on-full", on_full,
                   "--workers", "1", "--log-level", "warn", where=where).start()


def main():
    origin = Origin()
    s = sidecar(origin, "drop")
    ids = os.path.join(s.dir, "ids")
    p = load_begin(s.inbound, 1000, 6, 32, 2, "--ids", ids)
    time.sleep(1)
    os.kill(s.ready["recorder"], signal.SIGSTOP)
    time.sleep(3)
    os.kill(s.ready["recorder"], signal.SIGCONT)
    figures = load_end(p)
    s.stop()
    rows = s.one("SELECT count(*) FROM txn WHERE path = '/load'")
    lost = s.one("SELECT sum(transactions) FROM loss")
    assert lost > 0, "the ring was not too small"
    equal(lost, figures["finished"] - rows, "the losses listed")
    equal(s.rows("SELECT DISTINCT cause FROM loss"), [("ring-full",)], "their cause")
    assert s.one("SELECT min(first_us) > 0 AND min(last_us >= first_us) FROM loss"), "a loss without its time"
    text = s.verify(1)
    sum_told = f"{rows:,} of {figures['finished']:,}"
    assert sum_told in text, f"verify does not say {sum_told}: {text[-600:]}"
    print(f"drop: {figures['finished']} finished, {rows} kept, {lost} listed as lost")

    s = sidecar(origin, "block")
    ids = os.path.join(s.dir, "ids")
    p = load_begin(s.inbound, 1000, 6, 32, 2, "--ids", ids)
    time.sleep(1)
    os.kill(s.ready["recorder"], signal.SIGSTOP)
    time.sleep(3)
    os.kill(s.ready["recorder"], signal.SIGCONT)
    figures = load_end(p)
    s.stop()
    check_all_recorded(s, ids_of(ids))
    s.verify()
    print(f"block: {figures['finished']} finished, all kept")


main()
