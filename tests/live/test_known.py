"""The same content again and again, through rotations: it is stored once a file, and every transaction has all of it."""
import base64
import contextlib
import glob
import http.client
import http.server
import json
import os
import sqlite3
import threading

from harness import TAPEDECK, Sidecar, equal, run, until

SMALL = os.urandom(200 << 10)
LARGE = os.urandom(3 << 20)
# Alike up to a byte in its middle.
OTHER = LARGE[:len(LARGE) // 2] + bytes([LARGE[len(LARGE) // 2] ^ 1]) + LARGE[len(LARGE) // 2 + 1:]
CONTENT = {"/small": SMALL, "/large": LARGE, "/other": OTHER}
FILLER = 1 << 20
TIMES = 6


def filler(n):
    return (b"%08d" % n) * (FILLER // 8)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = CONTENT.get(self.path)
        if body is None:
            body = filler(int(self.path.rpartition("/")[2]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        got = self.rfile.read(int(self.headers["Content-Length"]))
        body = b"right" if got == SMALL else b"wrong"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Client:
    """A connection that stays, and how often it asked for each path."""

    def __init__(self, port):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.asked = {}

    def ask(self, path, wanted, method="GET", body=None):
        self.http.request(method, path, body)
        got = self.http.getresponse().read()
        assert got == wanted, f"{method} {path}: {len(got)} bytes that are not what was sent"
        self.asked[path] = self.asked.get(path, 0) + 1

    def round(self, *paths):
        for path in paths or CONTENT:
            self.ask(path, CONTENT[path])
        self.ask("/upload", b"right", "POST", SMALL)


def pages(s):
    return s.one("PRAGMA page_count") * s.one("PRAGMA page_size")


def look_at(path, seen):
    """Every answer and upload in that file, by the means that a user has."""
    run(TAPEDECK, "verify", path)
    rows = run(TAPEDECK, "query", "--json", path,
               "SELECT t.id AS id, t.path AS path, t.method AS method, c.side AS side, c.sha256 AS sha256, hex(c.bytes) AS bytes "
               "FROM content c JOIN txn t ON t.id = c.txn ORDER BY t.id").stdout.splitlines()
    shown = set()
    for row in map(json.loads, rows):
        side, where = row["side"], row["path"]
        if where == "/upload":
            wanted = SMALL if side == "request" else b"right"
        else:
            wanted = CONTENT.get(where) or filler(int(where.rpartition("/")[2]))
        equal(bytes.fromhex(row["bytes"]) == wanted, True, f"{path}: {where} {side} of {row['id']}")
        if side == ("request" if where == "/upload" else "answer"):
            seen[where] = seen.get(where, 0) + 1
        if (where, side) not in shown and where in CONTENT:
            shown.add((where, side))
            got = run(TAPEDECK, "show", path, row["id"], "--body", "response").stdout
            equal(got == wanted, True, f"{path}: {where} as it is shown")
    exported = run(TAPEDECK, "export", "jsonl", path, "path = /other or path = /large or path = /small").stdout.splitlines()
    for answer in (json.loads(line) for line in exported):
        got = base64.b64decode(answer["response"]["body"])
        equal(got == CONTENT[answer["path"]], True, f"{path}: {answer['path']} as it is exported")
    # A rotation at the very end leaves the live file without any.
    asked = any(json.loads(row)["path"] in CONTENT for row in rows)
    equal(bool(exported), asked, f"{path}: whether anything is exported")
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        stored = sum(db.execute(f"SELECT coalesce(sum(length(bytes)), 0) FROM {t}").fetchone()[0] for t in ("body", "part"))
    others = sum(json.loads(row)["path"].startswith("/filler") for row in rows)
    # At its edges a file may have a front of what is whole in the next.
    most = 2 * sum(map(len, CONTENT.values())) + (others + 1) * FILLER
    assert stored < most, f"{path}: {stored} bytes of content, expected at most {most}"


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                server.server_port, "--in-bind", "127.0.0.1", "--max-body", "0", "--rotate-size", "40MiB", "--workers", "1",
                "--on-full", "block").start()
    # Before it knows the recorder's file, a proxy refers to nothing.
    until("a recorder", lambda: s.metric("tapedeck_recorder_connections") == 1)
    first = Client(s.inbound)
    first.round("/small", "/large")
    s.committed(3)
    size = pages(s)
    for _ in range(TIMES):
        first.round("/small", "/large")
    s.committed(3 * (1 + TIMES))
    grown = pages(s) - size
    print(f"{size} bytes for one round, {grown} more for {TIMES}")
    assert grown < len(SMALL), "what was there already was stored again"
    equal(s.one("SELECT number FROM capture"), 1, "files so far")

    # While others go on asking, the capture goes on in another file.
    done = threading.Event()
    others = [Client(s.inbound) for _ in range(3)]
    wrong = []

    def go_on(client):
        try:
            while not done.is_set():
                client.round("/small", "/large")
        except Exception as e:  # pylint: disable=broad-except
            wrong.append(e)

    threads = [threading.Thread(target=go_on, args=(c,)) for c in others]
    for t in threads:
        t.start()
    n = 0
    while s.one("SELECT number FROM capture") == 1:
        assert n < 100 and not wrong, f"never rotated: {wrong}"
        first.ask(f"/filler/{n}", filler(n))
        n += 1
    for _ in range(TIMES):
        first.round("/small", "/large")
    done.set()
    for t in threads:
        t.join()
    first.round()
    first.round()
    equal(wrong, [], "what went wrong")
    until("an empty ring", lambda: s.metric("tapedeck_ring_used_bytes") == 0, 60)
    s.stop()

    asked, seen = {}, {}
    for client in [first] + others:
        for path, times in client.asked.items():
            asked[path] = asked.get(path, 0) + times
    files = sorted(glob.glob(os.path.join(s.dir, "capture*.db")))
    equal(len(files), s.one("SELECT number FROM capture"), "files")
    for path in files:
        look_at(path, seen)
    equal(seen, asked, f"transactions in {len(files)} files")
    print(f"{sum(asked.values())} transactions in {len(files)} files")


main()
