"""Large bodies: 1 GiB up and down, 16 at once, exact, with the memory of both processes bounded.

SIZE_MIB (1024) and AT_ONCE (16) make it smaller.
"""
import hashlib
import http.server
import os
import socket
import threading
import time

from harness import Sidecar, equal, folder, rss_kib, until

SIZE = int(os.environ.get("SIZE_MIB", "1024")) << 20
AT_ONCE = int(os.environ.get("AT_ONCE", "16"))
LIMIT_KIB = 64 << 10
RING_KIB = 16 << 10

# All bodies are repetitions of one block from an offset that differs, so that they need no memory and no two are equal.
BLOCK = os.urandom(1 << 20)


def pieces(seed):
    left, at = SIZE, seed * 4096
    while left > 0:
        piece = BLOCK[at % len(BLOCK):][:left]
        yield piece
        left -= len(piece)
        at = 0


def digest(seed):
    h = hashlib.sha256()
    for piece in pieces(seed):
        h.update(piece)
    return h.hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        for piece in pieces(int(self.path[1:])):
            self.wfile.write(piece)

    def do_PUT(self):
        h, left = hashlib.sha256(), int(self.headers["Content-Length"])
        while left > 0:
            got = self.rfile.read1(min(left, 1 << 20))
            if not got:
                return
            h.update(got)
            left -= len(got)
        text = h.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def get(port, seed):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(f"GET /{seed} HTTP/1.1\r\nHost: large\r\nConnection: close\r\n\r\n".encode())
        f = s.makefile("rb", 1 << 20)
        while f.readline() not in (b"\r\n", b""):
            pass
        h, n = hashlib.sha256(), 0
        while True:
            piece = f.read1(1 << 20)
            if not piece:
                return h.hexdigest(), n
            h.update(piece)
            n += len(piece)


def put(port, seed):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(f"PUT /{seed} HTTP/1.1\r\nHost: large\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n".encode())
        for piece in pieces(seed):
            s.sendall(piece)
        f = s.makefile("rb")
        while f.readline() not in (b"\r\n", b""):
            pass
        return f.read().decode(), SIZE


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = folder()
    if os.statvfs(where).f_bavail * os.statvfs(where).f_frsize < 3 * SIZE * AT_ONCE:
        print("less than", 3 * SIZE * AT_ONCE >> 30, "GiB free: fewer at once")
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                server.server_port, "--in-bind", "127.0.0.1", "--max-body", "0", "--spool-size", "16MiB",
                "--on-full", "block", "--log-level", "warn", where=where).start()
    want = {seed: digest(seed) for seed in range(AT_ONCE)}
    peak = {"proxy": 0, "recorder": 0}
    done = threading.Event()

    def watch():
        while not done.is_set():
            for who in peak:
                peak[who] = max(peak[who], rss_kib(s.ready[who])["VmRSS"])
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    wrong = []

    def one(seed):
        how = get if seed % 2 == 0 else put
        got = how(s.inbound, seed)
        if got != (want[seed], SIZE):
            wrong.append((how.__name__, seed, got))

    begun = time.monotonic()
    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(AT_ONCE)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - begun
    until("an empty ring", lambda: s.metric("tapedeck_ring_used_bytes") == 0, 600)
    done.set()
    watcher.join()
    equal(wrong, [], "bodies that came out differently")
    s.stop()
    recorded = {}
    for path, rq, rs, qs, ss in s.rows(
            "SELECT t.path, hex(q.digest), hex(r.digest), t.req_size, t.res_size FROM txn t "
            "LEFT JOIN body q ON q.id = t.req_body LEFT JOIN body r ON r.id = t.res_body"):
        seed = int(path[1:])
        recorded[seed] = (rs if seed % 2 == 0 else rq).lower()
        equal(ss if seed % 2 == 0 else qs, SIZE, "the size in the capture")
    equal(recorded, want, "digests in the capture")
    s.verify()
    print(f"{AT_ONCE} x {SIZE >> 20} MiB in {took:.0f} s; peak RSS proxy {peak['proxy']} KiB, recorder {peak['recorder']} KiB")
    assert peak["proxy"] <= LIMIT_KIB + RING_KIB, "the proxy grew"
    assert peak["recorder"] <= LIMIT_KIB, "the recorder grew"


main()
