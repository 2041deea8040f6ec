"""Damage to a capture: verify answers 2 and says where; ls and export still give what can be read."""
import os
import random
import shutil
import sqlite3

from harness import TAPEDECK, Origin, Sidecar, equal, folder, load, run


def verify(path):
    r = run(TAPEDECK, "verify", path, check=False)
    return r.returncode, r.stdout.decode() + r.stderr.decode()


def readable(path):
    """Lines that ls and export give, whatever their exit code."""
    counts = []
    for argv in (("ls", path, "--json"), ("export", "jsonl", path)):
        r = run(TAPEDECK, *argv, check=False)
        assert r.returncode in (0, 1), f"{argv}: exit {r.returncode}: {r.stderr.decode()}"
        counts.append(r.stdout.count(b"\n"))
    return counts


def main():
    origin = Origin()
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                origin.port, "--in-bind", "127.0.0.1").start()
    figures = load(s.inbound, 500, 4, 8, 2)
    s.stop()
    s.verify()
    good = open(s.capture, "rb").read()
    where = folder()
    path = os.path.join(where, "damaged.db")

    # Rows deleted, one of each table.
    for table in ("flow", "flow_end", "txn", "head", "body"):
        shutil.copy(s.capture, path)
        with sqlite3.connect(path) as db:
            db.execute(f"DELETE FROM {table} WHERE rowid = (SELECT rowid FROM {table} LIMIT 1 OFFSET 3)")
        code, text = verify(path)
        equal(code, 2, f"a row of {table} deleted: {text}")
        assert any(c.isdigit() for c in text), text
        lines = readable(path)
        assert lines[0] >= figures["finished"] - 1, f"{table}: only {lines} can be read"

    # A value changed behind our back.
    shutil.copy(s.capture, path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE txn SET status = 201 WHERE rowid = (SELECT rowid FROM txn LIMIT 1 OFFSET 5)")
    code, text = verify(path)
    equal(code, 2, f"a status changed: {text}")
    assert "txn" in text, text

    # Bytes flipped anywhere but in free space.
    rng = random.Random(7)
    found = tried = 0
    for _ in range(40):
        data = bytearray(good)
        at = rng.randrange(8192, len(data))
        for i in range(at, min(at + 16, len(data))):
            data[i] ^= 0x5A
        with open(path, "wb") as f:
            f.write(data)
        tried += 1
        code, text = verify(path)
        found += code == 2
        assert code in (0, 2), f"flipped at {at}: {code} {text}"
        readable(path)
    print(f"flipped bytes found {found} of {tried} times")
    assert found >= tried * 9 // 10, "flips go unnoticed"

    # Cut.
    for part in (0.95, 0.6, 0.3):
        with open(path, "wb") as f:
            f.write(good[: int(len(good) * part)])
        code, text = verify(path)
        equal(code, 2, f"cut to {part}: {text}")
        readable(path)
    print("cut files are found damaged")

    # No capture at all.
    with open(path, "wb") as f:
        f.write(os.urandom(100000))
    equal(verify(path)[0], 2, "random bytes")


main()
