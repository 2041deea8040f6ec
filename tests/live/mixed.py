"""A session of everything that HTTP/1.1 does between a client and a server, the same at every run: more than 5,000 transactions of
some forty clients at once.

What the server answers depends on a request's method, target, content, trailers and X- headers alone; a request other than the
one that it is the same as has another target. So the session can be recorded, replayed and mocked, and has to be the same.

As a module: Server, session(), record(), differences(), COUNT. As a program:
    mixed.py server [PORT]                          prints the port, and serves until it is ended
    mixed.py client HOST:PORT OUT [HOST:PORT|env]   the session with a server, perhaps by a proxy (env: $http_proxy); what was
                                                    heard goes to OUT as JSON; exit 1 after an error
"""
import base64
import contextlib
import gzip
import hashlib
import json
import os
import random
import socket
import sys
import threading
import time
import urllib.parse

CLIENTS = 40
COUNT = 5200
PAUSE = 0.015
BIG = 1 << 20
BIGS = 14     # answers of 1 to 5 MiB
UPLOADS = 6   # requests of 1 to 2 MiB
SLOW = 60     # streamed with pauses, in either direction
TIMEOUT = 60
HOST = "mixed.test"

# What a request asks for, and how often. Those of ENDS end their connection.
WEIGHTS = {
    "json": 14, "text": 8, "odd": 5, "empty": 3, "chunked": 8, "trailers": 4, "gzip": 5, "binary": 5, "head": 5, "headchunked": 2,
    "notmodified": 4, "nocontent": 4, "missing": 4, "refused": 3, "broken": 3, "moved": 3, "hints": 4, "form": 5, "post": 6,
    "put": 4, "patch": 3, "delete": 3, "upload": 4, "uploadtrailers": 4, "expect": 4, "expectchunked": 2, "options": 2,
    "longhead": 2, "same": 6, "oddtarget": 4, "nothing": 2,
}
ENDS = ("untilclose", "old", "oldlength", "earlyclose", "half", "halfuntilclose")
STATUS = {"missing": "404 Not Found", "refused": "403 Forbidden", "broken": "500 Internal Server Error", "moved": "302 Found",
          "notmodified": "304 Not Modified", "nocontent": "204 No Content", "put": "201 Created", "post": "201 Created",
          "delete": "204 No Content"}


def noise(n, size):
    return random.Random(n * 7919 + 17).randbytes(size)


def prose(n, size):
    words = ("tape", "deck", "wind", "reel", "spool", "head", "hiss", "über", "naïve", "<b>", "&amp;", "\"quoted\"", "\\")
    rng, out = random.Random(n + 5), []
    while sum(len(w) + 1 for w in out) < size:
        out.append(words[rng.randrange(len(words))] + ("\n" if rng.random() < 0.1 else ""))
    return " ".join(out).encode()


def json_of(n):
    rng = random.Random(n + 3)
    return {"n": n, "name": f"item {n}", "price": rng.randrange(10 ** 6) / 100, "tags": [rng.choice("abcdef") for _ in range(n % 7)],
            "on": n % 2 == 0, "none": None, "inner": {"a": [1, 2.5, -3e9], "é": "ß" * (n % 5)}}


def cut(data, n, pieces):
    """The data in so many pieces, where a number says."""
    rng = random.Random(n + 11)
    places = sorted(rng.randrange(len(data) + 1) for _ in range(pieces - 1))
    parts = [data[a:b] for a, b in zip([0] + places, places + [len(data)])]
    return [p for p in parts if p]


def chunk(piece):
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def lines(fields):
    return b"".join(name.encode() + b": " + value.encode("utf-8") + b"\r\n" for name, value in fields)


class Stream:
    """What is read from a connection: by lines, by counts; and a digest of all that was taken."""

    def __init__(self, sock):
        self.sock, self.held, self.sha, self.taken = sock, b"", hashlib.sha256(), 0

    def more(self):
        data = self.sock.recv(262144)
        self.held += data
        return bool(data)

    def take(self, n):
        data, self.held = self.held[:n], self.held[n:]
        self.sha.update(data)
        self.taken += len(data)
        return data

    def to(self, mark):
        """Up to and with the mark; b"" at the end of the connection."""
        at = 0
        while (found := self.held.find(mark, at)) < 0:
            at = max(0, len(self.held) - len(mark))
            if not self.more():
                return b""
        return self.take(found + len(mark))

    def exactly(self, n):
        parts = []
        while n:
            if not self.held and not self.more():
                raise EOFError("the connection ended within content")
            parts.append(self.take(min(n, len(self.held))))
            n -= len(parts[-1])
        return b"".join(parts)

    def rest(self):
        parts = [self.take(len(self.held))]
        while self.more():
            parts.append(self.take(len(self.held)))
        return b"".join(parts)

    def chunks(self):
        """Content and trailer section."""
        content, trailers = [], b""
        while size := int(self.to(b"\r\n").split(b";")[0] or b"z", 16):
            content.append(self.exactly(size))
            if self.to(b"\r\n") != b"\r\n":
                raise EOFError("a chunk has no end")
        while (line := self.to(b"\r\n")) != b"\r\n":
            if not line:
                raise EOFError("the connection ended within trailers")
            trailers += line
        return b"".join(content), trailers


def fields_of(head):
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            yield name.lower(), value.strip()


# ---- the server

class Answering:
    """One connection of a client, until it ends."""

    def __init__(self, sock):
        self.sock, self.stream = sock, Stream(sock)

    def run(self):
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, EOFError, ValueError):
            while head := self.stream.to(b"\r\n\r\n"):
                if not self.one(head):
                    break
            # Whoever closes while something is unread resets the connection, and what was answered is lost.
            self.sock.shutdown(socket.SHUT_WR)
            while self.sock.recv(65536):
                pass
        self.sock.close()

    def content(self, head, fields):
        if fields.get(b"expect"):
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fields.get(b"transfer-encoding") == b"chunked":
            return self.stream.chunks()
        return self.stream.exactly(int(fields.get(b"content-length", b"0"))), b""

    def one(self, head):
        method, target, _ = head.split(b"\r\n")[0].split(b" ")
        content, trailers = self.content(head, dict(fields_of(head)))
        if target == b"*":
            kind, n = "options", 0
        else:
            words = target.decode("latin-1").split("?")[0].split("/")
            kind, n = words[1], int(words[2])
        own = [v for v in fields_of(head) if v[0].startswith(b"x-")]
        said = hashlib.sha256(b"\0".join([method, target, content, trailers] + [a + b"=" + b for a, b in own])).hexdigest()
        return self.answer(kind, n, method, said, len(content))

    def answer(self, kind, n, method, said, size):
        fields, body, pieces = [("Server", "mixed"), ("x-Said", said)], b"", 1
        if kind in ("post", "put", "patch", "form", "upload", "uploadtrailers", "expect", "expectchunked", "bigupload", "slowupload",
                    "half", "nothing"):
            fields.append(("Content-Type", "application/json"))
            body = json.dumps({"said": said, "size": size, **json_of(n)}).encode()
        elif kind in ("json", "same", "head", "missing", "broken", "earlyclose", "oldlength", "oddtarget", "refused"):
            fields.append(("Content-Type", "application/json; charset=utf-8"))
            body = json.dumps(json_of(n), ensure_ascii=False).encode()
        elif kind in ("binary", "big"):
            fields.append(("content-type", "image/png" if n % 2 else "application/octet-stream"))
            body = b"\x89PNG\r\n\x1a\n" + noise(n, BIG + (n * 977) % (4 * BIG) if kind == "big" else n % 9000)
        elif kind in ("text", "chunked", "trailers", "slow", "untilclose", "old", "halfuntilclose", "headchunked", "hints", "longhead"):
            fields.append(("Content-Type", "text/html; charset=UTF-8"))
            body = prose(n, n % 4000)
            pieces = 1 + n % 6
        elif kind == "gzip":
            fields += [("Content-Type", "application/json"), ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
            body = gzip.compress(json.dumps([json_of(n + i) for i in range(n % 20)]).encode(), mtime=0)
        self.decorate(kind, n, fields)
        self.send(kind, n, method, fields, body, pieces)
        return kind not in ENDS

    @staticmethod
    def decorate(kind, n, fields):
        if kind == "odd":
            fields += [("x-ODD-cAsE", "1"), ("Set-Cookie", f"a={n}; Path=/"), ("set-cookie", "b=2; HttpOnly"), ("SET-COOKIE", "c"),
                       ("X-Empty", ""), ("X-Blank", "a   b\t c"), ("X-Utf8", "grün"), ("Cache-Control", "no-cache"),
                       ("Cache-Control", "private")]
        elif kind == "longhead":
            fields += [(f"X-Long-{i}", "v" * (200 + n % 90)) for i in range(30)]
        elif kind == "moved":
            fields.append(("Location", f"/json/{n}?moved=1"))
        elif kind == "notmodified":
            fields += [("ETag", f"\"{n}\"")] + ([("Content-Length", "1234")] if n % 3 == 0 else [])
        elif kind == "options":
            fields.append(("Allow", "GET, HEAD, POST"))
        elif kind == "earlyclose":
            fields.append(("Connection", "close"))

    def send(self, kind, n, method, fields, body, pieces):
        status, old = STATUS.get(kind, "200 OK"), kind in ("old", "oldlength")
        first = f"HTTP/1.{0 if old else 1} {status}\r\n".encode()
        if kind == "hints":
            for i in range(1 + n % 3):
                self.sock.sendall(b"HTTP/1.1 103 Early Hints\r\n" + lines([("Link", f"</{n}-{i}.css>; rel=preload")]) + b"\r\n")
        if kind in ("chunked", "trailers", "headchunked", "slow"):
            if kind == "trailers":
                fields.append(("Trailer", "x-sum, X-Sum"))
            out = [first + lines(fields + [("Transfer-Encoding", "chunked")]) + b"\r\n"]
            ending = lines([("x-sum", hashlib.md5(body).hexdigest()), ("X-Sum", str(n))]) if kind == "trailers" else b""
            if method != b"HEAD":
                out += [chunk(p) for p in cut(body, n, pieces)] + [b"0\r\n" + ending + b"\r\n"]
            self.put(out, kind == "slow")
        elif kind in ("untilclose", "old", "halfuntilclose"):
            self.put([first + lines(fields + [("Connection", "close")]) + b"\r\n"] + cut(body, n, pieces), False)
        elif status[0:3] in ("204", "304"):
            self.sock.sendall(first + lines(fields) + b"\r\n")
        else:
            head = first + lines(fields + [("Content-Length", str(len(body)))]) + b"\r\n"
            self.sock.sendall(head + (b"" if method == b"HEAD" else body))

    def put(self, out, slowly):
        if not slowly:
            self.sock.sendall(b"".join(out))
            return
        for piece in out:
            self.sock.sendall(piece)
            time.sleep(PAUSE)


def serve(port):
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    print(listener.getsockname()[1], flush=True)
    while True:
        sock = listener.accept()[0]
        threading.Thread(target=Answering(sock).run, daemon=True).start()


# ---- the session

class Request:
    def __init__(self, kind, n, rng):
        self.kind, self.n = kind, n
        self.method = {"head": "HEAD", "headchunked": "HEAD", "put": "PUT", "patch": "PATCH", "delete": "DELETE",
                       "options": "OPTIONS"}.get(kind, "GET")
        self.target, self.version = f"/{kind}/{n}", "1.0" if kind in ("old", "oldlength") else "1.1"
        self.fields, self.content, self.trailers = [("User-Agent", "mixed/1"), ("Accept", "*/*")], None, b""
        self.chunked, self.pieces, self.slowly, self.expects = False, 1, False, False
        if rng.random() < 0.3 and kind != "options":
            self.target += rng.choice(("?a=1&b=2", "?q=a%20b+c&q=", "?", "?x=%C3%BC&y=[1]", f"?page={n % 9}&sort=name"))
        if rng.random() < 0.3:
            self.fields += [("x-Trace", f"t-{n}"), ("X-trace", "again"), ("Cookie", f"session={n % 40}; theme=dark")]
        self.fill(rng)

    def fill(self, rng):
        kind, n = self.kind, self.n
        if kind == "options" and n % 2 == 0:
            self.target = "*"
            del self.fields[2:]  # all of them are the same
        elif kind == "oddtarget":
            self.target = f"/oddtarget/{n}/" + rng.choice(("a%2Fb/../c", "//x//", ";p=1/q", "%E2%82%AC", "a'b(c)!~*", "x:y@z,w"))
        elif kind == "same":
            self.target = f"/same/{n % 5}"
            del self.fields[2:]
        elif kind == "gzip":
            self.fields.append(("Accept-Encoding", "gzip, br"))
        elif kind == "notmodified":
            self.fields.append(("If-None-Match", f"\"{n}\""))
        elif kind == "longhead":
            self.fields.append(("X-Long", "w" * 3000))
        elif kind == "form":
            self.post("application/x-www-form-urlencoded", urllib.parse.urlencode(
                [("name", f"n {n}"), ("ü", "é&="), ("list", "1"), ("list", "2"), ("empty", "")]).encode())
        elif kind in ("post", "put", "patch"):
            self.post("application/json", json.dumps(json_of(n)).encode())
            if kind == "post":
                self.method = "POST"
        elif kind == "nothing":
            self.post(None, b"")
        elif kind in ("upload", "uploadtrailers", "expectchunked", "slowupload"):
            self.post("application/octet-stream", noise(n, 1 + n % 6000))
            self.chunked, self.pieces, self.slowly = True, 1 + n % 5, kind == "slowupload"
            if kind == "uploadtrailers":
                self.fields.append(("Trailer", "X-Checksum"))
                self.trailers = lines([("X-Checksum", hashlib.md5(self.content).hexdigest()), ("x-more", str(n))])
        elif kind in ("expect", "bigupload", "half"):
            self.post("image/png", noise(n, BIG + (n * 31) % BIG if kind == "bigupload" else 1 + n % 3000))
        if kind in ("expect", "expectchunked"):
            self.fields.append(("Expect", "100-continue"))
            self.expects = True

    def post(self, content_type, content):
        self.content = content
        if self.method == "GET":
            self.method = "POST"
        if content_type:
            self.fields.append(("Content-Type", content_type))

    def alone(self):
        """It is not sent behind others at once: it waits for something, or is large."""
        return self.expects or self.slowly or self.kind in ("big", "bigupload")

    def wire(self, authority, absolute):
        """Its pieces: the head, and the content behind it."""
        target = self.target if not absolute else f"http://{authority}" + ("" if self.target == "*" else self.target)
        head = f"{self.method} {target} HTTP/{self.version}\r\n".encode() + lines([("Host", authority)] + self.fields)
        if self.content is None:
            return [head + b"\r\n"]
        if not self.chunked:
            return [head + lines([("Content-Length", str(len(self.content)))]) + b"\r\n", self.content]
        return ([head + lines([("Transfer-Encoding", "chunked")]) + b"\r\n"] + [chunk(p) for p in cut(self.content, self.n, self.pieces)]
                + [b"0\r\n" + self.trailers + b"\r\n"])


def script():
    """For each client its connections, each a list of batches of requests that are sent at once. The same at every run."""
    rng, n = random.Random(20260101), 0
    rare = ["big"] * BIGS + ["bigupload"] * UPLOADS + ["slow"] * (SLOW // 2) + ["slowupload"] * (SLOW // 2)
    kinds = list(WEIGHTS) + rare + [kind for kind in ENDS for _ in range(CLIENTS // 2)]
    kinds += rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=COUNT - len(kinds))
    rng.shuffle(kinds)
    clients = []
    for i in range(CLIENTS):
        connections, batches, batch = [], [], []
        for kind in kinds[i::CLIENTS]:
            n += 1
            r = Request(kind, n, rng)
            if batch and (r.alone() or rng.random() < 0.6):
                batches.append(batch)
                batch = []
            batch.append(r)
            if r.alone() or kind in ENDS:
                batches.append(batch)
                batch = []
            if kind in ENDS:
                connections.append(batches)
                batches = []
        connections.append(batches + ([batch] if batch else []))
        clients.append([c for c in connections if c])
    return clients


class Connection:
    """A client's connection, and what it hears."""

    def __init__(self, where, authority, absolute):
        self.authority, self.absolute = authority, absolute
        self.sock = socket.create_connection(where, TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream, self.answers, self.early = Stream(self.sock), [], []

    def play(self, batches):
        try:
            for batch in batches:
                self.send(batch)
                for r in batch:
                    self.answers.append(self.hear(r))
            if batches[-1][-1].kind in ENDS and self.stream.rest():
                self.answers.append({"error": "more than was asked for"})
        except (OSError, EOFError, ValueError) as e:
            self.answers.append({"error": f"{type(e).__name__}: {e}"})
        self.sock.close()
        return {"raw": self.stream.sha.hexdigest(), "bytes": self.stream.taken, "answers": self.answers}

    def send(self, batch):
        out = b""
        for r in batch:
            pieces = r.wire(self.authority, self.absolute)
            if r.expects:
                self.sock.sendall(out + pieces[0])
                self.early = [self.stream.to(b"\r\n\r\n")]
                out, pieces = b"", pieces[1:]
            if r.slowly:
                for piece in pieces:
                    self.sock.sendall(piece)
                    time.sleep(PAUSE)
            else:
                out += b"".join(pieces)
        self.sock.sendall(out)
        if batch[-1].kind in ("half", "halfuntilclose"):
            self.sock.shutdown(socket.SHUT_WR)

    def hear(self, r):
        interim, self.early = self.early, []
        while True:
            head = self.stream.to(b"\r\n\r\n")
            if not head:
                raise EOFError(f"no answer to {r.method} {r.target}")
            if head[9:10] != b"1":
                break
            interim.append(head)
        fields, status = dict(fields_of(head)), head[9:12]
        content, trailers, how = b"", b"", "none"
        if r.method != "HEAD" and status not in (b"204", b"304"):
            if fields.get(b"transfer-encoding") == b"chunked":
                how, (content, trailers) = "chunked", self.stream.chunks()
            elif b"content-length" in fields:
                how, content = "length", self.stream.exactly(int(fields[b"content-length"]))
            else:
                how, content = "until close", self.stream.rest()
        return {"request": f"{r.method} {r.target}", "interim": [i.decode("latin-1") for i in interim],
                "head": head.decode("latin-1"), "how": how, "size": len(content), "content": hashlib.sha256(content).hexdigest(),
                "begins": base64.b64encode(content[:24]).decode(), "trailers": trailers.decode("latin-1")}


def play(server, out, proxy=None):
    """The session; by the proxy, if there is one. A client asks for its own server name where nobody needs it to get there."""
    clients, heard = script(), [[] for _ in range(CLIENTS)]
    where, authority = proxy or server, f"{server[0]}:{server[1]}" if proxy else HOST
    begun = time.monotonic()

    def one(i):
        for batches in clients[i]:
            try:
                heard[i].append(Connection(where, authority, proxy is not None).play(batches))
            except OSError as e:
                heard[i].append({"raw": "", "bytes": 0, "answers": [{"error": f"connecting: {e}"}]})

    threads = [threading.Thread(target=one, args=(i,)) for i in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    answers = [a for client in heard for c in client for a in c["answers"]]
    errors = [a["error"] for a in answers if "error" in a]
    with open(out, "w", encoding="ascii") as f:
        json.dump({"seconds": time.monotonic() - begun, "count": len(answers) - len(errors), "errors": errors, "clients": heard}, f)
    return not errors


# ---- for tests

class Server:
    """port 0: any free one."""

    def __init__(self, port=0):
        import subprocess
        from harness import spawn
        self.process = spawn(sys.executable, os.path.abspath(__file__), "server", port, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())


def heard_in(out):
    with open(out, encoding="ascii") as f:
        heard = json.load(f)
    assert not heard["errors"], f"{len(heard['errors'])} errors, the first: {heard['errors'][:5]}"
    assert heard["count"] == COUNT, f"{heard['count']} answers, not {COUNT}"
    return heard


def session(port, proxy=None, host="127.0.0.1"):
    """What the clients heard from that port; proxy: a port that they ask for it."""
    from harness import folder, run
    out = os.path.join(folder(), "heard")
    run(*client(f"{host}:{port}", out, f"127.0.0.1:{proxy}" if proxy else None), check=False, timeout=170)
    return heard_in(out)


def client(server, out, proxy=None):
    """The command that says the session; what was heard is heard_in(out)."""
    return [sys.executable, os.path.abspath(__file__), "client", server, out] + ([proxy] if proxy else [])


def differences(one, other, raw=True):
    """What two sessions differ in, a line each. raw: in any byte; else in what the bytes mean (a chunk may be cut otherwise)."""
    found = []
    for i, (a, b) in enumerate(zip(one["clients"], other["clients"])):
        if len(a) != len(b):
            found.append(f"client {i}: {len(a)} and {len(b)} connections")
        for k, (x, y) in enumerate(zip(a, b)):
            before = len(found)
            for u, v in zip(x["answers"], y["answers"]):
                found += [f"client {i} connection {k} {u.get('request')}: {key}: {u.get(key)!r} and {v.get(key)!r}"
                          for key in u if u.get(key) != v.get(key)]
            if len(x["answers"]) != len(y["answers"]):
                found.append(f"client {i} connection {k}: {len(x['answers'])} and {len(y['answers'])} answers")
            if raw and len(found) == before and x["raw"] != y["raw"]:
                found.append(f"client {i} connection {k}: other bytes, {x['bytes']} and {y['bytes']}")
    return found


def same(one, other, raw=True):
    found = differences(one, other, raw)
    assert not found, "\n".join([f"{len(found)} differences"] + found[:10])


def record(server, kind="reverse", capture=None, options=()):
    """The session through `tapedeck run`, recorded: (sidecar, heard), once it has ended, its capture is proved and all is in it.
    reverse and forward take one request after the other from a connection; tcp, a reverse proxy too, only watches, so that its
    capture shows which requests came before the answer to the one before them. Nothing is redacted, unless options say so."""
    from harness import Sidecar, equal
    where = ["--proxy-type", "forward"] if kind == "forward" else [
        "--proxy-type", "reverse", "--proxy-host", "127.0.0.1", "--proxy-port", server.port, "--in-bind", "127.0.0.1"]
    s = Sidecar(*where, "--proxy-protocol", "tcp" if kind == "tcp" else "http", "--log-level", "warn", "--redact", "none", *options,
                capture=capture).start()
    heard = session(server.port, proxy=s.outbound) if kind == "forward" else session(s.inbound)
    s.stop()
    s.verify()
    equal(s.one("SELECT count(*) FROM http"), COUNT, "transactions in the capture")
    equal(s.rows("SELECT state, count(*) FROM http GROUP BY state"), [("complete", COUNT)], "their states")
    return s, heard


def address(text):
    host, port = text.rsplit("/", 1)[-1].rsplit(":", 1)
    return host, int(port)


def main(words):
    if words[0] == "server":
        return serve(int(words[1]) if len(words) > 1 else 0)
    proxy = words[3] if len(words) > 3 else None
    if proxy == "env":
        proxy = os.environ["http_proxy"].rstrip("/")
    return 0 if play(address(words[1]), words[2], address(proxy) if proxy else None) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
