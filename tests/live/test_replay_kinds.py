"""What a replay makes of what is not plain requests: conversations that are no HTTP, HTTP over TLS, protocols that take over a
connection, answers without an end, requests that nobody answered."""
import contextlib
import http.client
import json
import os
import socket
import socketserver
import ssl
import threading
import time

from harness import TAPEDECK, Sidecar, equal, folder, run, stop, until
from test_replay import Handler, Threads, serve

POISON = {"greeting": b"220 ready\r\n"}


class Lines(socketserver.StreamRequestHandler):
    """Speaks first; answers each line; BYE ends it."""

    def handle(self):
        self.wfile.write(POISON["greeting"])
        for line in self.rfile:
            if line == b"BYE\r\n":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 " + line[::-1].strip() + b"\r\n" + b"x" * len(line) * 50 + b"\r\n")


class Whole(socketserver.StreamRequestHandler):
    """Answers when its input has ended."""

    def handle(self):
        self.wfile.write(b"%d bytes\n" % len(self.rfile.read()))


def reverse(where, port, *options, protocol="tcp"):
    return Sidecar("--proxy-type", "reverse", "--proxy-protocol", protocol, "--proxy-host", "127.0.0.1", "--proxy-port", port,
                   *options, capture=os.path.join(where, "capture.db")).start()


def replay(s, *options, code=0):
    mine = os.path.join(s.dir, f"replay{time.monotonic_ns()}.db")
    r = run(TAPEDECK, "replay", s.capture, "--json", "--capture", mine, *options, check=False)
    assert r.returncode == code, f"{options}: exit {r.returncode}\n{r.stdout.decode()[-3000:]}{r.stderr.decode()}"
    run(TAPEDECK, "verify", mine)
    return json.loads(r.stdout), mine


def all_equal(s, n, *options):
    report, mine = replay(s, *options)
    requests = report["requests"]
    print("  ", *options[2:], "→", requests["equal"], "equal,", report["duration_us"] // 1000, "ms")
    equal((requests["sent"], requests["equal"]), (n, n), f"{options}: sent and equal")
    return mine


def say(port, *pieces):
    with socket.create_connection(("127.0.0.1", port)) as c:
        f = c.makefile("rb")
        f.readline()
        for piece in pieces:
            c.sendall(piece)
            f.readline()
            if piece != b"BYE\r\n":
                f.readline()
            time.sleep(0.03)


def conversations():
    print("conversations")
    where = folder()
    s = reverse(where, serve(Lines, Threads))
    clients = [threading.Thread(target=say, args=(s.inbound, *(b"line %d of %d\r\n" % (i, k) for i in range(k + 2)), b"BYE\r\n"))
               for k in range(6)]
    for t in clients:
        t.start()
    for t in clients:
        t.join()
    stop(s.process)
    port = serve(Lines, Threads)
    to = ("--target", f":{port}")
    all_equal(s, 6, *to, "--speed", "max")
    mine = all_equal(s, 6, *to)
    sums = json.loads(run(TAPEDECK, "diff", s.capture, mine, "--json").stdout.splitlines()[-1])["sums"]
    equal(sums["equal"], 6, "conversations that are equal")
    all_equal(s, 6, *to, "--speed", "max", "--connections", "2")
    all_equal(s, 12, *to, "--speed", "max", "--vus", "3", "--times", "2")
    POISON["greeting"] = b"221 ready\r\n"
    report, _ = replay(s, *to, "--speed", "max", code=1)
    rules = os.path.join(where, "rules.yaml")
    with open(rules, "w", encoding="utf-8") as f:
        f.write("bytes:\n  body: 0-2\n")
    all_equal(s, 6, *to, "--speed", "max", "--rules", rules)
    POISON["greeting"] = b"220 ready\r\n"
    equal(report["requests"]["different"], 6, "conversations that differ")
    equal(report["mismatches"][0]["where"].startswith("body"), True, "where")
    # A server that says less is waited for, and then gone on with.
    POISON["greeting"] = b"220\r\n"
    report, _ = replay(s, *to, "--speed", "max", "--timeout", "3s", code=1)
    POISON["greeting"] = b"220 ready\r\n"
    equal(report["requests"]["different"], 6, "conversations that differ")


def input_that_ends():
    print("an answer behind the end of the input")
    where = folder()
    s = reverse(where, serve(Whole, Threads))
    with socket.create_connection(("127.0.0.1", s.inbound)) as c:
        c.sendall(b"one")
        time.sleep(0.1)
        c.sendall(b"two" * 100000)
        c.shutdown(socket.SHUT_WR)
        equal(c.recv(100), b"300003 bytes\n", "the answer")
    stop(s.process)
    all_equal(s, 1, "--target", f":{serve(Whole, Threads)}", "--speed", "max")


class Ears(socketserver.StreamRequestHandler):
    """Never says a word."""
    heard = []

    def handle(self):
        Ears.heard.append(self.rfile.read())


def one_way():
    print("a conversation that nobody answers")
    where = folder()
    s = reverse(where, serve(Ears, Threads))
    for i in range(3):
        with socket.create_connection(("127.0.0.1", s.inbound)) as c:
            for k in range(4):
                c.sendall(b"<%d> event %d\n" % (i, k))
                time.sleep(0.03)
    stop(s.process)
    Ears.heard.clear()
    to = ("--target", f":{serve(Ears, Threads)}")
    all_equal(s, 3, *to, "--speed", "max")
    all_equal(s, 3, *to)
    until("all that is said", lambda: len([h for h in Ears.heard if h]) == 6)
    equal(sorted(h for h in Ears.heard if h)[::2], [b"".join(b"<%d> event %d\n" % (i, k) for k in range(4)) for i in range(3)],
          "what was heard")


class Special(Handler):
    def do_GET(self):
        if self.path == "/upgrade":
            self.send_response(101)
            self.send_header("Upgrade", "echo")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.wfile.write(b"hello\n")
            self.wfile.flush()
            self.close_connection = True
            while data := self.connection.recv(65536):
                self.wfile.write(data.upper())
                self.wfile.flush()
        elif self.path == "/endless":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            with contextlib.suppress(OSError):
                for i in range(1000000):
                    self.wfile.write(b"data: %d\n\n" % i)
                    self.wfile.flush()
                    time.sleep(0.01)
            self.close_connection = True
        elif self.path == "/nothing":
            self.close_connection = True
        elif self.path == "/asleep":
            time.sleep(3)
            self.close_connection = True
        else:
            super().do_GET()


def upgraded():
    print("a connection that goes over to another protocol")
    where = folder()
    s = reverse(where, serve(Special))
    with socket.create_connection(("127.0.0.1", s.inbound)) as c:
        c.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        c.recv(65536)
        c.sendall(b"GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        time.sleep(0.2)
        c.recv(65536)
        for word in (b"some", b"thing"):
            c.sendall(word)
            equal(c.recv(100), word.upper(), "the echo")
    stop(s.process)
    to = ("--target", f":{serve(Special)}")
    all_equal(s, 3, *to, "--speed", "max")
    all_equal(s, 3, *to)


def without_end():
    print("answers without an end, or none at all")
    where = folder()
    s = reverse(where, serve(Special))
    with socket.create_connection(("127.0.0.1", s.inbound)) as c:
        c.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)
        c.recv(65536)
    for path, wait in (("/nothing", 1), ("/asleep", 0.3)):
        with socket.create_connection(("127.0.0.1", s.inbound)) as c:
            c.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
            c.settimeout(wait)
            with contextlib.suppress(OSError):
                c.recv(65536)
    stop(s.process)
    to = ("--target", f":{serve(Special)}")
    all_equal(s, 3, *to, "--speed", "max")
    all_equal(s, 3, *to)
    report, _ = replay(s, "--target", f":{serve(Handler)}", "--speed", "max", "path != /endless", code=1)
    equal(report["requests"]["different"], 2, "answers where there were none")


def over_tls():
    print("TLS")
    where = folder()
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", where + "/key", "-out",
        where + "/crt", "-days", "3", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    port = serve(Handler)
    s = reverse(where, port, protocol="http")
    c = http.client.HTTPConnection("127.0.0.1", s.inbound)
    for i in range(20):
        c.request("POST" if i % 4 == 0 else "GET", f"/a/{i}" if i != 9 else "/big/9", body=b"x" * 300000 if i % 4 == 0 else None)
        c.getresponse().read()
    stop(s.process)
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(where + "/crt", where + "/key")
    secure.set_alpn_protocols(["http/1.1"])
    from test_replay import Server
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = secure.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    to = ("--target", f"https://localhost:{server.server_address[1]}")
    mine = all_equal(s, 20, *to, "--upstream-ca", where + "/crt")
    equal(run(TAPEDECK, "query", mine, "SELECT DISTINCT mode, sni, alpn FROM tls").stdout.split()[-3:],
          [b"intercepted", b"localhost", b"http/1.1"], "what is recorded of TLS")
    all_equal(s, 20, *to, "--upstream-verify", "off", "--speed", "max", "--connections", "3")
    report, _ = replay(s, *to, "--speed", "max", code=1)
    equal(report["requests"]["missing"], 20, "requests that nobody got")
    cause = report["errors"]["causes"][0]
    assert cause["kind"] == "refused" and "certificate" in cause["reason"], cause
    report, _ = replay(s, "--target", f"https://localhost:{port}", "--speed", "max", code=1)
    assert "TLS" in report["errors"]["causes"][0]["reason"], report["errors"]


def main():
    conversations()
    input_that_ends()
    one_way()
    upgraded()
    without_end()
    over_tls()


if __name__ == "__main__":
    main()
