"""A ring too small on purpose: what is lost is listed to the transaction; with --on-full block nothing is lost."""
import os
import resource
import signal
import socket
import time

from harness import Origin, Sidecar, check_all_recorded, equal, folder, ids_of, load_begin, load_end


def sidecar(origin, on_full, size="1MiB"):
    where = folder()
    return Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                   origin.port, "--in-bind", "127.0.0.1", "--spool-size", size, "--on-full", on_full,
                   "--workers", "1", "--log-level", "warn", where=where).start()


def crowd(origin, size, connections):
    """Each connection stays open and has one small exchange, while the recorder rests for a while."""
    s = sidecar(origin, "block", size)
    clients = []
    for i in range(connections):
        c = socket.create_connection(("127.0.0.1", s.inbound), 30)
        clients.append(c)
    for i, c in enumerate(clients):
        if i == connections // 2:
            os.kill(s.ready["recorder"], signal.SIGSTOP)
        c.sendall(f"GET /crowd?{i} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    time.sleep(2)
    os.kill(s.ready["recorder"], signal.SIGCONT)
    for c in clients:
        answer = c.recv(65536)
        assert answer.startswith(b"HTTP/1.1 "), answer
    for c in clients:
        c.close()
    s.stop()
    equal(s.one("SELECT count(DISTINCT query) FROM txn WHERE path = '/crowd'"), connections, "transactions kept")
    equal(s.one("SELECT count(*) FROM loss"), 0, "losses")
    s.verify()
    print(f"block: {connections} connections, {size}: all kept")


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    origin = Origin()
    s = sidecar(origin, "drop")
    ids = os.path.join(s.dir, "ids")
    p = load_begin(s.inbound, 1000, 6, 32, 2, "--ids", ids)
    time.sleep(1)
    os.kill(s.ready["recorder"], signal.SIGSTOP)
    time.sleep(3)
    os.kill(s.ready["recorder"], signal.SIGCONT)
    figures = load_end(p)
    s.stop()  # with 0: the capture declares what was lost
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

    crowd(origin, "4MiB", 1500)
    crowd(origin, "1MiB", 700)


main()
