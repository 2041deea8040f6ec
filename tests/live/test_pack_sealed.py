"""--pack-sealed: sealed files become small while traffic is recorded; kill -9, a restart, retention and SIGHUP between."""
import contextlib
import glob
import json
import os
import signal
import sqlite3

from harness import TAPEDECK, Origin, Sidecar, equal, folder, ids_of, load, load_begin, load_end, run, until

PACKED = b"Tapedeck packed\0"
DATABASE = b"SQLite format 3\0"
PACKS = 150  # seconds: packing gives way to whatever else the machine does


def magic_of(path):
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as f:
        return f.read(16)
    return None


def sealed(where):
    return sorted(glob.glob(os.path.join(where, "capture-[0-9]*.db")))


def all_packed(where, least):
    files = sealed(where)
    return len(files) >= least and all(magic_of(f) == PACKED for f in files)


def sidecar(origin, where, *more):
    return Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                   origin.port, "--in-bind", "127.0.0.1", "--workers", "1", "--rotate-size", "2MiB",
                   "--spool-dir", os.path.join(where, "spool"), *more, where=where)


def complete(where, ids):
    """Every finished transaction is there once, and the whole is proved."""
    lines = run(TAPEDECK, "ls", where, "path = /load and state = complete", "--json", timeout=300).stdout.splitlines()
    got = [int(json.loads(line)["query"].split("&")[0][3:]) for line in lines]
    equal(len(got), len(set(got)), "transactions that are there once")
    missing = set(ids) - set(got)
    assert not missing, f"{len(missing)} of {len(ids)} are missing"
    run(TAPEDECK, "verify", where, timeout=300)


def while_it_records(origin):
    where = folder()
    s = sidecar(origin, where, "--pack-sealed").start()
    ids = os.path.join(where, "ids")
    p = load_begin(s.inbound, 300, 8, 8, 2, "--ids", ids)
    killed = 0
    while p.poll() is None:
        # In the middle of packing a file, as often as that can be met.
        with contextlib.suppress(AssertionError):
            until("a file that is being packed", lambda: glob.glob(os.path.join(where, "*-packing")), 2)
            if killed < 3:
                os.kill(s.ready["recorder"], signal.SIGKILL)
                killed += 1
                before = s.ready["recorder"]
                until("a new recorder", lambda: s.wait_ready()["recorder"] != before)
        for f in sealed(where):
            assert magic_of(f) in (PACKED, DATABASE), f"{f} is not whole"
    figures = load_end(p)
    until("all sealed files packed", lambda: all_packed(where, 3), PACKS)
    assert not glob.glob(os.path.join(where, "*-packing")), "something was left behind"
    s.stop()
    complete(where, ids_of(ids))
    print(f"{figures['finished']} finished, {len(sealed(where))} files packed, recorder killed {killed} times")

    # A new one packs what it finds: here, what was unpacked meanwhile. It is told to by SIGHUP.
    first = sealed(where)[0]
    run(TAPEDECK, "unpack", first)
    config = os.path.join(where, "config.yaml")
    with open(config, "w", encoding="ascii") as f:
        f.write("pack-sealed: false\n")
    s = sidecar(origin, where, "--config", config).start()
    load(s.inbound, 50, 1, 2, 900002)
    assert magic_of(first) == DATABASE, "it was packed without being told to"
    with open(config, "w", encoding="ascii") as f:
        f.write("pack-sealed: true\n")
    os.kill(s.process.pid, signal.SIGHUP)
    until("the first file packed", lambda: all_packed(where, 3), PACKS)
    s.stop()
    assert "option changed pack-sealed=true" in s.log_text(), s.log_text()
    complete(where, ids_of(ids))
    print("told by SIGHUP")

    # A plain SQLite client still reads the live file.
    with contextlib.closing(sqlite3.connect(f"file:{s.capture}?mode=ro", uri=True)) as db:
        equal(db.execute("PRAGMA integrity_check").fetchone()[0], "ok", "the live file")


def retention(origin):
    where = folder()
    s = sidecar(origin, where, "--pack-sealed", "--keep-files", "2").start()
    load(s.inbound, 300, 6, 8, 2)
    until("two files left, both packed", lambda: len(sealed(where)) == 2 and all_packed(where, 2), PACKS)
    s.stop()
    assert "by=keep-files" in s.log_text()
    assert not glob.glob(os.path.join(where, "*-packing")), "something was left behind"
    run(TAPEDECK, "verify", sealed(where)[0])
    print("the oldest were deleted")


def main():
    origin = Origin()
    while_it_records(origin)
    retention(origin)


main()
