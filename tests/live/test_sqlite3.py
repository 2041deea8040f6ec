"""A capture without our programs: the commands of README's section "Nothing but SQL", run as they stand there (but for
the transaction's path) with the sqlite3 program alone, answer for traffic that the clients here know byte by byte."""
import collections
import contextlib
import gzip
import http.server
import os
import random
import re
import shutil
import socket
import subprocess
import threading
import time

from harness import Sidecar, equal, need, run

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md")
SECRETS = ("open-sesame", "chocolate", "vanilla")
LARGE = random.Random(1).randbytes(3 * 1024 * 1024 + 7)
BODIES = {
    "/large": LARGE,
    "/small": b"a\0b\r\n\xff\xfe'\"\\ " + bytes(range(256)),
    "/zipped": gzip.compress(b"much of the same, " * 1000, mtime=0),
}
ANSWER_FIELDS = [
    ("Content-Type", "text/plain; charset=latin-1"),
    ("Set-Cookie", "flavour=chocolate; Path=/"),
    ("X-Repeated", "first"),
    ("set-cookie", "flavour=vanilla; Path=/"),
    ("x-REPEATED", "second"),
    ("X-Empty", ""),
    ("Set-Cookie", "flavour=chocolate; Path=/"),
    ("X-Odd", "a \"quoted\" \\back\\ : colon, \u00fcmlaut"),
    ("X-Repeated", "first"),
]


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, fields, body):
        head = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}"] + [f"{n}: {v}" for n, v in fields]
        head.append(f"Content-Length: {len(body)}")
        self.wfile.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path.startswith("http://"):
            path = "/" + path.split("/", 3)[3]
        status, fields, body = 200, [("Content-Type", "text/plain")], b"fine\n"
        if path == "/slow":
            time.sleep(int(query) / 1000)
        elif path.startswith("/items/"):
            status = {0: 500, 1: 404}.get(int(path.rsplit("/", 1)[1]) % 4, 200)
        elif path == "/headers":
            fields = ANSWER_FIELDS
        elif path in BODIES:
            body = BODIES[path]
            fields = [("Content-Encoding", "gzip")] if path == "/zipped" else []
        self.answer(status, fields, body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(503 if self.path == "/orders/7" else 201, [], b"")

    def log_message(self, *_):
        pass


class Client:
    """Connections from one address; knows how many bytes went and came."""

    def __init__(self, address):
        self.address = address
        self.sent = self.got = 0

    @contextlib.contextmanager
    def connect(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(self.address, 0)) as s:
            yield s

    def ask(self, s, method, target, host, fields=(), body=b""):
        """The answer's head and body."""
        head = [f"{method} {target} HTTP/1.1", f"Host: {host}"] + [f"{n}: {v}" for n, v in fields]
        if body:
            head.append(f"Content-Length: {len(body)}")
        request = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        s.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += s.recv(65536)
        head, _, rest = answer.partition(b"\r\n\r\n")
        size = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1])
        rest = bytearray(rest)
        while len(rest) < size:
            rest += s.recv(1 << 20)
        equal(len(rest), size, "bytes behind the head")
        self.sent += len(request) - len(re.match("(http://[^/]*)?", target)[0])  # relayed without it
        self.got += len(head) + 4 + size
        return head.decode(), bytes(rest)


def commands():
    """README's commands, by the view that they ask."""
    with open(README, encoding="utf-8") as f:
        section = f.read().partition("\n## Nothing but SQL\n")[2].partition("\n## ")[0]
    found = re.findall(r"^    \$ (sqlite3 capture\.db \"[^\"]*? FROM (\w+)[^\"]*\")$", section, re.M)
    equal(section.count("$ sqlite3 "), len(found), "commands of the section that can be understood")
    equal([view for _, view in found], ["http", "endpoints", "flows", "header", "content"], "README's questions")
    return {view: command for command, view in found}


def main():
    need("sqlite3")
    ask = commands()
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    port = service.server_address[1]
    s = Sidecar("--proxy-type", "dual", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port", port,
                "--in-bind", "127.0.0.1").start()

    def sqlite3(view, path=None, host=None):
        command = ask[view].replace("/tmp/answer", os.path.join(s.dir, "answer"))
        if path:
            command, n = re.subn("path = '/hello.json'", f"path = '{path}'" + (f" AND host = '{host}'" if host else ""), command)
            equal(n, 1, f"paths of a transaction in {command}")
        # Bytes that are no UTF-8 may come out of it.
        out = subprocess.run(["sh", "-c", command], cwd=s.dir, check=True, capture_output=True, timeout=60)
        equal(out.stderr, b"", command)
        return [line.split("|") for line in out.stdout.decode().splitlines()]

    # ---- traffic
    asked = collections.Counter()
    failed = collections.Counter()
    local, other, far = Client("127.0.0.1"), Client("127.0.0.2"), Client("127.0.0.3")

    def note(route, bad=False):
        asked[route] += 1
        failed[route] += bad

    with local.connect(s.inbound) as c:
        for i in range(24):
            local.ask(c, "GET", f"/items/{i}?page={i}", "items.test")
            note(("GET", "items.test", "/items/{id}"), i % 4 == 0)
        for ms in (500, 900, 700):
            local.ask(c, "GET", f"/slow?{ms}", "slow.test")
            note(("GET", "slow.test", "/slow"))
    with other.connect(s.inbound) as c:
        for i in range(10):
            other.ask(c, "POST", f"/orders/{i}", "orders.test", body=b"x" * (i + 1))
            note(("POST", "orders.test", "/orders/{id}"), i == 7)
        sent_fields = [("Accept", "*/*"), ("Authorization", "Basic open-sesame"), ("X-Repeated", "one"),
                       ("Cookie", "flavour=chocolate"), ("x-repeated", "two"), ("X-Repeated", "one")]
        got_head, _ = other.ask(c, "GET", "/headers", "headers.test", sent_fields)
        note(("GET", "headers.test", "/headers"))
    names = ("localhost", "127.0.0.1")
    with far.connect(s.outbound) as c:
        for name in names:
            host = f"{name}:{port}"
            for path, body in BODIES.items():
                equal(far.ask(c, "GET", f"http://{host}{path}", host)[1], body, path)
                note(("GET", host, path))

    # ---- while it is being recorded
    s.committed(sum(asked.values()))
    slowest = sqlite3("http")
    equal(len(slowest), 10, "slowest requests")
    equal([row[3] for row in slowest[:3]], [f"http://slow.test/slow?{ms}" for ms in (900, 700, 500)], "the slowest")
    durations = [int(row[4]) for row in slowest]
    equal(durations, sorted(durations, reverse=True), "their order")
    assert 900000 <= durations[0] < 5000000 and durations[2] >= 500000, durations
    equal({tuple(row[1:3]) for row in slowest[:3]}, {("200", "GET")}, "their status and method")
    s.stop()
    s.verify()

    # ---- at rest
    equal(sqlite3("http"), slowest, "the slowest requests afterwards")
    rates = sqlite3("endpoints")
    equal({tuple(r[:3]): (int(r[3]), float(r[4])) for r in rates},
          {k: (n, round(failed[k] / n, 4)) for k, n in asked.items()}, "error rate by route")
    equal([float(r[4]) for r in rates], sorted((float(r[4]) for r in rates), reverse=True), "its order")
    equal({r[0]: (int(r[1]), int(r[2])) for r in sqlite3("flows")},
          {p.address: (p.sent, p.got) for p in (local, other, far)}, "bytes by peer")
    check_headers(sqlite3("header", "/headers"), sent_fields, got_head)
    for path, body in BODIES.items():
        for name in names:
            equal(sqlite3("content", path, f"{name}:{port}"), [[str(len(body))]], "bytes that writefile() wrote")
            file = os.path.join(s.dir, "answer")
            with open(file, "rb") as f:
                assert f.read() == body, f"{path} differs"
            os.unlink(file)
    with open(s.capture, "rb") as f:
        capture = f.read()
    for secret in SECRETS:
        assert secret.encode() not in capture, f"{secret} is in the capture"

    # A copy that nobody may write to, in a folder that nobody may write to: where no -shm can be made, SQLite wants
    # to be told that nobody writes.
    before = os.path.join(s.dir, "shelf")
    os.mkdir(before)
    shutil.copy(s.capture, before)
    os.chmod(os.path.join(before, "capture.db"), 0o400)
    os.chmod(before, 0o500)
    try:
        rows = run("sqlite3", f"file:{before}/capture.db?immutable=1", "SELECT count(*) FROM http").stdout
    finally:
        os.chmod(before, 0o700)
    equal(int(rows), sum(asked.values()), "transactions on a shelf")


def check_headers(rows, sent_fields, got_head):
    """Order, case and repeats as the client saw them; what is redacted stays equal where it was equal."""
    equal([r[0] for r in rows], ["request"] * (1 + len(sent_fields)) + ["answer"] * (1 + len(ANSWER_FIELDS)), "sides")
    sent = [("Host", "headers.test")] + sent_fields
    got = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "")
           for line in got_head.split("\r\n")[1:]]
    equal(got[:-1], ANSWER_FIELDS, "what the client got")
    digests = collections.defaultdict(set)
    for (_, name, value), (wanted_name, wanted) in zip(rows, sent + got):
        equal(name, wanted_name, "name of a header")
        if name.lower() in ("authorization", "cookie", "set-cookie"):
            assert value != wanted and "redacted" in value, value
            digests[wanted].add(value)
        else:
            equal(value, wanted, name)
    equal(sorted(len(d) for d in digests.values()), [1] * len(digests), "digests of equal values")
    equal(len(set.union(*digests.values())), len(digests), "digests of values that differ")


main()
