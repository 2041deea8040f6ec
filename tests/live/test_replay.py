"""tapedeck replay: the same session again over all kinds of connections; what differs is told; targets that are down,
silent, or talk nonsense; Ctrl-C; what a killed replay leaves."""
import contextlib
import http.client
import http.server
import json
import os
import signal
import socket
import socketserver
import subprocess
import threading
import time

from harness import TAPEDECK, Sidecar, equal, folder, free_port, run, spawn, stop, until


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    changed = False

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def do_GET(self):
        if "big" in self.path:
            self.answer(200, (self.path * 100000).encode(), Content_Type="application/octet-stream")
        elif "missing" in self.path:
            self.answer(404, b"no such thing\n", Content_Type="text/plain")
        elif "same" in self.path:
            self.answer(304, b"", ETag='"1"')
        elif "last" in self.path:
            self.close_connection = True
            self.answer(200, b"goodbye\n", Content_Type="text/plain", Connection="close")
        else:
            body = {"path": self.path, "price": 12 if Handler.changed and "/1" in self.path else 11}
            self.answer(200, json.dumps(body).encode(), Content_Type="application/json")

    do_HEAD = do_GET

    def do_POST(self):
        if self.headers.get("transfer-encoding"):
            body = b""
            while n := int(self.rfile.readline(), 16):
                body += self.rfile.read(n)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        out = json.dumps({"got": len(body), "sum": sum(body)}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i in range(0, len(out), 7):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(out[i:i + 7]), out[i:i + 7]))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 200

    def handle_error(self, *_):
        pass


def serve(handler, server=Server):
    s = server(("127.0.0.1", 0), handler)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    return s.server_address[1]


def session(port, k):
    c = http.client.HTTPConnection("127.0.0.1", port)
    for i in range(30):
        what = ("a", "missing", "same", "b", "c")[i % 5]
        if i % 7 == 3:
            c.request("POST", f"/things/{k}/{i}", body=bytes([i]) * i * 300)
        elif i % 7 == 5:
            c.request("HEAD", f"/{what}/{k}/{i}")
        elif i % 11 == 4:
            c.request("POST", f"/chunked/{k}/{i}", body=iter([b"one", b"two" * 2000]), encode_chunked=True,
                      headers={"Transfer-Encoding": "chunked"})
        elif i == 20:
            c.request("GET", f"/big/{k}")
        elif i == 15:
            c.request("GET", f"/last/{k}")  # http.client opens another one
        else:
            c.request("GET", f"/{what}/{k}/{i}?q=1")
        c.getresponse().read()
        time.sleep(0.005)
    c.close()


def pipelined(port):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"".join(b"GET /pipe/%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(20)))
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass


def record(dir):
    """A capture of some clients at once, and how many requests it holds."""
    capture = os.path.join(dir, "capture.db")
    s = Sidecar("--proxy-type", "reverse", "--proxy-host", "127.0.0.1", "--proxy-port", serve(Handler),
                capture=capture).start()
    clients = [threading.Thread(target=session, args=(s.inbound, k)) for k in range(8)]
    clients.append(threading.Thread(target=pipelined, args=(s.inbound,)))
    for t in clients:
        t.start()
    for t in clients:
        t.join()
    stop(s.process)
    return capture, 8 * 30 + 20


def replay(dir, capture, port, *options, code=0, out=True, **more):
    mine = os.path.join(dir, f"replay-{time.monotonic_ns()}.db")
    argv = [TAPEDECK, "replay", capture, "--target", f"http://127.0.0.1:{port}", "--json", *options]
    if "--no-capture" not in options:
        argv += ["--capture", mine]
    r = run(*argv, check=False, cwd=dir, **more)
    assert r.returncode == code, f"{options}: exit {r.returncode}\n{r.stdout.decode()[-3000:]}{r.stderr.decode()}"
    return (json.loads(r.stdout) if out else r), mine


def identity(dir, capture, count):
    port = serve(Handler)
    for options in (["--speed", "max"], [], ["--speed", "3"], ["--connections", "1", "--speed", "max"],
                    ["--connections", "7", "--speed", "max"], ["--connections", "20"], ["--vus", "3", "--speed", "max"],
                    ["--vus", "4"], ["--rate", "400"], ["--connections", "16", "--rate", "500/s"],
                    ["--stages", "200ms@200,400ms@300"], ["--times", "2", "--speed", "max"],
                    ["--for", "500ms", "--connections", "4", "--speed", "max"], ["--no-capture", "--speed", "max"]):
        report, mine = replay(dir, capture, port, *options)
        requests = report["requests"]
        print(" ".join(options), "→", requests["equal"], "equal in", report["duration_us"] // 1000, "ms; late p99",
              report["lateness"]["own"]["p99"], "us")
        equal(requests["equal"], requests["sent"], f"{options}: equal ones")
        if "--times" in options:
            equal(requests["sent"], 2 * count, "requests in two rounds")
        elif "--for" not in options and "--stages" not in options:
            equal(requests["sent"], count, f"{options}: requests")
        if "--no-capture" not in options:
            run(TAPEDECK, "verify", mine)
    # What was played is linked with what was recorded, and no less than it.
    report, mine = replay(dir, capture, port, "--keep-host")
    r = run(TAPEDECK, "diff", capture, mine, "--json")
    sums = json.loads(r.stdout.splitlines()[-1])["sums"]
    equal((sums["equal"], sums["left"], sums["right"]), (count, count, count), "transactions in both captures")


def changes(dir, capture):
    Handler.changed = True
    port = serve(Handler)
    report, mine = replay(dir, capture, port, "--speed", "max", code=1)
    Handler.changed = False
    text = json.dumps(report["mismatches"])
    assert "body.price" in text and '"11"' in text and '"12"' in text, text
    equal({d["where"] for d in report["mismatches"]}, {"body.price"}, "what differs")
    outcomes = json.loads(run(TAPEDECK, "query", "--json", mine, "SELECT outcome, count(*) AS n FROM http GROUP BY 1 ORDER BY 1")
                          .stdout.decode().replace("}\n{", "},{").join("[]"))
    equal([o["outcome"] for o in outcomes], ["differs", "equal"], "outcomes in the capture")
    equal(sum(o["n"] for o in outcomes if o["outcome"] == "differs"), report["requests"]["different"], "those that differ")


def opened_early(dir):
    """A connection that was opened first and said something last holds up no other one."""
    capture = os.path.join(dir, "early.db")
    s = Sidecar("--proxy-type", "reverse", "--proxy-host", "127.0.0.1", "--proxy-port", serve(Handler),
                capture=capture).start()
    with socket.create_connection(("127.0.0.1", s.inbound)) as early:
        time.sleep(0.1)
        c = http.client.HTTPConnection("127.0.0.1", s.inbound)
        for i in range(60):
            c.request("GET", f"/a/{i}")
            c.getresponse().read()
        c.close()
        early.sendall(b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while early.recv(65536):
            pass
    stop(s.process)
    report, _ = replay(dir, capture, serve(Handler), "--rate", "60", "--times", "2")
    equal(report["requests"]["equal"], 122, "equal ones")
    late = report["lateness"]["all"]["p50"]
    assert late < 300000, f"half of the requests went {late} us late"


def redacted(dir):
    """What any file of a recording has redacted is redacted in the capture of its replay."""
    both = os.path.join(dir, "both")
    os.mkdir(both)
    for name, rules in (("a", "default"), ("b", "json:$.price")):
        s = Sidecar("--proxy-type", "reverse", "--proxy-host", "127.0.0.1", "--proxy-port", serve(Handler), "--redact", rules,
                    capture=os.path.join(both, name + ".db")).start()
        c = http.client.HTTPConnection("127.0.0.1", s.inbound)
        c.request("GET", "/a", headers={"Authorization": "Bearer secret"})
        c.getresponse().read()
        c.close()
        stop(s.process)
    report, mine = replay(dir, both, serve(Handler), "--speed", "max")
    equal(report["requests"]["equal"], 2, "equal ones")
    r = run(TAPEDECK, "query", "--json", mine, "SELECT count(*) AS n FROM http WHERE redacted LIKE '%price%'")
    equal(json.loads(r.stdout)["n"], 2, "answers without their price")


class Nonsense(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(65536)
        self.request.sendall(b"\x00\x01\x02 this is no HTTP\r\n" * 20)
        with contextlib.suppress(OSError):
            self.request.recv(65536)


class Silence(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            while self.request.recv(65536):
                pass


class Hangup(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(65536)


class Interim(socketserver.BaseRequestHandler):
    """Never comes to the answer itself."""
    pause = 0.1

    def handle(self):
        self.request.recv(65536)
        with contextlib.suppress(OSError):
            while True:
                self.request.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
                time.sleep(self.pause)


class Flood(Interim):
    pause = 0


class Doubtful(socketserver.BaseRequestHandler):
    """Says two lengths, and goes on listening."""
    def handle(self):
        with contextlib.suppress(OSError):
            while self.request.recv(65536):
                self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     b"5\r\nhello\r\n0\r\n\r\n")


class Endless(socketserver.BaseRequestHandler):
    """Content without end, as fast as it is read."""
    def handle(self):
        self.request.recv(65536)
        with contextlib.suppress(OSError):
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n")
            while True:
                self.request.sendall(bytes(1 << 20))


class Threads(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    request_queue_size = 200

    def handle_error(self, *_):
        pass


def bad_targets(dir, capture, count):
    r, _ = replay(dir, capture, free_port(), "--speed", "max", code=2, out=False)
    assert b"cannot be reached: Connection refused" in r.stderr and r.stderr.count(b"\n") == 1, r.stderr
    for handler, kind in ((Nonsense, "garbage"), (Hangup, "closed"), (Silence, "timeout"), (Interim, "timeout"),
                          (Flood, "garbage"), (Doubtful, "garbage")):
        report, mine = replay(dir, capture, serve(handler, Threads), "--speed", "max", "--timeout", "200ms", "--answer-timeout",
                              "10s" if handler is Flood else "300ms", "method = GET", code=1)
        causes = report["errors"]["causes"]
        print(kind, "→", causes)
        assert any(c["kind"] == kind for c in causes), causes
        equal(report["requests"]["equal"], 0, "equal ones")
        run(TAPEDECK, "verify", mine)


def endless(dir, capture):
    """Sockets that always have something do not keep the run from its end."""
    report, mine = replay(dir, capture, serve(Endless, Threads), "--speed", "100", "--for", "500ms", "--timeout", "500ms", "--max-body",
                          "1KiB", code=1, timeout=60)
    print("endless →", report["errors"]["causes"])
    equal(report["requests"]["equal"], 0, "equal ones")
    run(TAPEDECK, "verify", mine)


def bad_input(dir, capture):
    def refused(*argv):
        r = run(TAPEDECK, "replay", *argv, check=False, cwd=dir)
        equal(r.returncode, 2, f"{argv}: exit code")
        assert r.stderr.count(b"\n") <= 3, r.stderr
        return r.stderr.decode()

    assert "--target URL" in refused(capture)
    assert "No such file" in refused("nothing.db", "--target", "http://localhost")
    assert "nothing to send" in refused(capture, "--target", "http://localhost", "path = /none")
    assert "neither recorded nor a number" in refused(capture, "--target", "http://localhost", "--connections", "0")
    assert "no speed" in refused(capture, "--target", "http://localhost", "--speed", "quick")
    newer = os.path.join(dir, "newer.db")
    run("cp", capture, newer)
    run("python3", "-c", "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute('PRAGMA user_version=9999')", newer)
    assert "made by a newer program" in refused(newer, "--target", "http://localhost")
    rules = os.path.join(dir, "rules.yaml")
    with open(rules, "w", encoding="utf-8") as f:
        f.write("ignore:\n  - header x\n  - bdy.x\n")
    assert "rules.yaml:3:" in refused(capture, "--target", "http://localhost", "--rules", rules)


def interrupted(dir, capture):
    port = serve(Handler)
    mine = os.path.join(dir, "interrupted.db")
    argv = [TAPEDECK, "replay", capture, "--target", f"http://127.0.0.1:{port}", "--speed", "0.01", "--json"]
    p = spawn(*argv, "--capture", mine, cwd=dir, stdout=subprocess.PIPE)
    until("something in the capture", lambda: os.path.exists(mine) and run(TAPEDECK, "ls", mine, check=False).stdout)
    p.send_signal(signal.SIGINT)
    report = json.loads(p.communicate(timeout=20)[0])
    equal(report["stopped"], "interrupted", "why it ended")
    assert report["requests"]["sent"] >= 1 and report["requests"]["equal"] >= 1, report["requests"]
    run(TAPEDECK, "verify", mine)
    # Killed: the recorder ends in order, and what was answered is there.
    mine = os.path.join(dir, "killed.db")
    p = spawn(*argv, "--capture", mine, cwd=dir, stdout=subprocess.DEVNULL)
    until("something in the capture", lambda: os.path.exists(mine) and run(TAPEDECK, "ls", mine, check=False).stdout)
    p.kill()
    p.wait()
    until("the recorder's end", lambda: not os.path.exists(mine + "-wal"))
    r = run(TAPEDECK, "verify", mine, check=False)
    assert r.returncode in (0, 1), r.stdout
    assert run(TAPEDECK, "ls", mine).stdout


def main():
    dir = folder()
    capture, count = record(dir)
    identity(dir, capture, count)
    changes(dir, capture)
    opened_early(dir)
    redacted(dir)
    bad_targets(dir, capture, count)
    endless(dir, capture)
    bad_input(dir, capture)
    interrupted(dir, capture)


if __name__ == "__main__":
    main()
