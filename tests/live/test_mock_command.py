"""tapedeck mock and mock-report: beside a command and alone; what is missed, and rules that accept it; faults as curl sees them,
in the capture, by seed, and changed while it runs; bad input."""
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import sys
import time

from harness import TAPEDECK, equal, folder, free_port, listening, need, run, spawn, stop, until

SERVER = r"""
import http.server, json, sys, urllib.parse
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def say(self, status, body, **more):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "ETag": '"1"', **more}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
    def do_GET(self):
        if self.path == "/big":
            return self.say(200, b"0123456789" * 1000)
        if self.path == "/ask":  # as a service that has a dependency
            import urllib.request
            return self.say(200, urllib.request.urlopen(sys.argv[2]).read())
        self.say(200, json.dumps({"path": self.path}).encode())
    do_HEAD = do_GET
    def do_POST(self):
        self.say(201, b'{"got":' + self.rfile.read(int(self.headers["Content-Length"])) + b"}")
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.daemon_threads = True
server.serve_forever()
"""


def clean_env(private):
    env = {k: v for k, v in os.environ.items()
           if not re.search("_proxy$|_ca_|_cert|_cainfo$|_ssl_|^tapedeck_|^java_", k, re.IGNORECASE)}
    env.update(dict.fromkeys(("XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CACHE_HOME", "HOME", "TMPDIR"), private))
    return env


class Stage:
    """A folder, a server of which day.db is a recording, and which is gone."""

    def __init__(self):
        self.dir = folder()
        self.private = os.path.join(folder(), "run")
        os.mkdir(self.private, 0o755)
        self.env = clean_env(self.private)
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.asks = [["curl", "-sS", self.url + "/a?x=1&y=2"], ["curl", "-sS", self.url + "/b"],
                     ["curl", "-sS", "-d", '{"id":1,"n":"x"}', "-H", "Content-Type: application/json", self.url + "/orders"],
                     ["curl", "-sS", self.url + "/big"]]
        server = self.server(self.port)
        self.said = self.ask("record", "--capture", "day.db", "--quiet")
        stop(server)

    def server(self, port, *more, through=()):
        p = spawn(*through, sys.executable, "-c", SERVER, port, *more, cwd=self.dir, env=self.env)
        until("the server", lambda: listening(port))
        return p

    def tapedeck(self, *argv, code=0, **more):
        r = run(TAPEDECK, *argv, check=False, cwd=self.dir, env=self.env, **more)
        assert r.returncode == code, f"{argv}: exit {r.returncode}, not {code}\n{r.stdout.decode()}{r.stderr.decode()}"
        return r

    def ask(self, *command):
        return self.tapedeck(*command, "--", "sh", "-c", script_of(self.asks)).stdout.decode()

    def path(self, name):
        return os.path.join(self.dir, name)

    def rows(self, capture, sql):
        with contextlib.closing(sqlite3.connect(f"file:{self.path(capture)}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def report(self, capture, *more):
        return json.loads(self.tapedeck("mock-report", capture, "--tape", "day.db", "--json", *more).stdout)


class Mock:
    """tapedeck mock, alone."""

    def __init__(self, stage, *options, tape="day.db"):
        self.stage, self.log, self.ready_file = stage, stage.path("mock.log"), stage.path("ready.json")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.ready_file)
        self.process = spawn(TAPEDECK, "mock", tape, "--ready-file", self.ready_file, "--admin-listen", "127.0.0.1:0",
                             "--proxy-in-port", 0, "--proxy-out-port", 0, *options, cwd=stage.dir, env=stage.env,
                             stderr=open(self.log, "wb"))

        def look():
            assert self.process.poll() is None, f"the mock ended with {self.process.returncode}:\n{self.said()}"
            with contextlib.suppress(OSError, ValueError):
                with open(self.ready_file, encoding="utf-8") as f:
                    return json.load(f)
            return None

        self.ready = until("the mock", look)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def curl(self, path, *more):
        out = self.ready["out"].replace("0.0.0.0", "127.0.0.1")
        return run("curl", "-sS", "--max-time", 20, "-x", f"http://{out}", *more, self.stage.url + path, check=False,
                   env=self.stage.env)

    def faults(self, *more):
        return run("curl", "-sS", "-w", "\n%{http_code}", *more, f"http://{self.ready['admin']}/faults").stdout.decode()

    def stop(self, how=signal.SIGTERM, code=0):
        got = stop(self.process, how)
        assert got == code, f"the mock ended with {got}, not {code}:\n{self.said()}"
        return self.said()


def with_command(stage):
    equal(stage.ask("mock", "day.db", "--capture", "same.db", "--fail-on-miss"), stage.said, "what was answered")
    equal(stage.rows("same.db", "SELECT path, outcome, original IS NOT NULL FROM http ORDER BY path"),
          [(p, "hit", 1) for p in ("/a", "/b", "/big", "/orders")], "what the capture tells")
    stage.tapedeck("verify", "same.db")
    report = stage.report("same.db")
    equal((report["hits"], report["misses"], report["unused"], report["recordings"]), (4, 0, [], 4), "report")
    # Keys in another order, JSON too.
    again = ["curl", "-sS", stage.url + "/a?y=2&x=1"]
    r = stage.tapedeck("mock", "day.db", "--no-capture", "--", *again)
    assert b'"/a?x=1&y=2"' in r.stdout and b"1 request answered by 1 of 4 recordings" in r.stderr, r
    assert b"tapedeck ls" not in r.stderr, r
    # COMMAND's exit code goes before ours.
    miss = f"curl -sS {stage.url}/none"
    stage.tapedeck("mock", "day.db", "--no-capture", "--", "sh", "-c", miss)
    stage.tapedeck("mock", "day.db", "--no-capture", "--fail-on-miss", "--", "sh", "-c", miss, code=4)
    stage.tapedeck("mock", "day.db", "--no-capture", "--fail-on-miss", "--", "sh", "-c", miss + "; exit 7", code=7)
    r = stage.tapedeck("mock", "day.db", "--no-capture", "--", "true")
    assert b"nothing was asked" in r.stderr, r
    equal([n for n in os.listdir(stage.private) if n.startswith("tapedeck-")], [], "what stayed")
    equal([n for n in os.listdir(stage.dir) if n.startswith("mock-")], [], "captures that nobody wanted")


def script_of(asks):
    return "\n".join("'" + "' '".join(a) + "'; echo" for a in asks)


def misses(stage):
    order = ["-H", "Content-Type: application/json", stage.url + "/orders"]
    near = [["curl", "-sS", stage.url + "/a?x=9&y=2"], ["curl", "-sS", stage.url + "/b", "-X", "DELETE"],
            ["curl", "-sS", "-d", '{"id":2,"n":"x"}', *order], ["curl", "-sS", "-d", '{"id":3,"n":"x"}', *order]]
    far = ["curl", "-sS", stage.url + "/b/c"]
    r = stage.tapedeck("mock", "day.db", "--capture", "missed.db", "--", "sh", "-c", script_of([*near, far]))
    told = [json.loads(line) for line in r.stdout.splitlines()]
    equal([t["cause"] for t in told], ["query", "method", "body", "body", "path"], "what the answers tell")
    report = stage.report("missed.db")
    equal(sorted((m["count"], m["cause"], m["path"]) for m in report["missed"]),
          [(1, "method", "/b"), (1, "path", "/b/c"), (1, "query", "/a"), (2, "body", "/orders")], "what the report tells")
    equal((report["match_rate"], len(report["unused"])), (0, 4), "rate, unused")
    # Without the tape the causes are those that the mock told.
    bare = json.loads(stage.tapedeck("mock-report", "missed.db", "--json").stdout)
    equal({m["cause"] for m in bare["missed"]}, {"query", "method", "path", "body"}, "causes without the tape")
    # Under the rules that it writes the same requests are answered.
    stage.tapedeck("mock", "day.db", "--capture", "near.db", "--", "sh", "-c", script_of(near))
    text = stage.tapedeck("mock-report", "near.db", "--tape", "day.db", "--write-rules", "rules.yaml").stdout.decode()
    assert "4: 0 answered, 4 missed" in text and "body.id" in text, text
    stage.tapedeck("mock", "day.db", "--capture", "accepted.db", "--match-rules", "rules.yaml", "--fail-on-miss", "--",
                   "sh", "-c", script_of(near))
    equal(stage.rows("accepted.db", "SELECT DISTINCT outcome FROM http"), [("hit",)], "under the rules")


# A rule, what curl is asked, its exit code, and what there is to see.
FAULTS = [
    ("{fault: latency, delay: 300ms}", "/b", (), 0, lambda r, t: t >= 0.3),
    ("{fault: latency, delay: {from: 200ms, to: 250ms}}", "/b", (), 0, lambda r, t: t >= 0.2),
    ("{fault: status, status: 503, reason: Busy}", "/b", ("-i",), 0,
     lambda r, t: r.startswith(b"HTTP/1.1 503 Busy\r\n") and b'"/b"' in r),
    ("{fault: status, status: 429, body: '{\"slow\":1}', type: application/problem+json}", "/b", ("-i",), 0,
     lambda r, t: r.startswith(b"HTTP/1.1 429 ") and b"application/problem+json" in r and r.endswith(b'\r\n\r\n{"slow":1}')),
    ("{fault: header, set: {retry-after: 5, content-type: text/x}, remove: [etag]}", "/b", ("-i",), 0,
     lambda r, t: b"retry-after: 5\r\n" in r.lower() and b"text/x" in r and b"application/json" not in r and b"etag" not in r.lower()),
    ("{fault: truncate, at: 50%}", "/big", (), 18, lambda r, t: r == b"0123456789" * 500),
    ("{fault: truncate, at: 3}", "/big", (), 18, lambda r, t: r == b"012"),
    ("{fault: corrupt, bytes: 7}", "/big", (), 0,
     lambda r, t: sum(a != b for a, b in zip(r, b"0123456789" * 1000)) == 7 and len(r) == 10000),
    ("{fault: dribble, bytes: 2500, every: 100ms}", "/big", (), 0, lambda r, t: t >= 0.3 and r == b"0123456789" * 1000),
    ("{fault: reset}", "/b", (), 56, lambda r, t: r == b""),
    ("{fault: reset, at: 5000}", "/big", (), 56, lambda r, t: len(r) <= 5000),
    ("{fault: stall, for: 400ms}", "/b", (), 0, lambda r, t: t >= 0.4 and b'"/b"' in r),
    ("{fault: stall, at: 10%}", "/big", ("--max-time", "1"), 28, lambda r, t: r == b"0123456789" * 100),
]


def faults(stage):
    mock = Mock(stage, "--capture", "faults.db")
    for rule, path, more, code, seen in FAULTS:
        answer = mock.faults("--data-binary", f"- {rule}")
        assert answer.endswith("\n200"), answer
        began = time.monotonic()
        r = mock.curl(path, *more)
        took = time.monotonic() - began
        assert r.returncode == code and seen(r.stdout, took), f"{rule}: curl {r.returncode} in {took:.2f}s\n{r.stdout[:300]}{r.stderr}"
        equal([(f["matched"], f["done"]) for f in json.loads(mock.faults().rsplit("\n", 1)[0])["rules"]], [(1, 1)], rule)
    # At the dial: the front tells its client.
    mock.faults("--data-binary", "- {fault: refused, when: 'target ~ localhost'}")
    r = mock.curl("/b", "-i")
    assert r.stdout.startswith(b"HTTP/1.1 502 ") and b"refused" in r.stdout, r
    mock.faults("-X", "DELETE")
    assert b'"/b"' in mock.curl("/b").stdout
    assert '"rules": []' in mock.faults()
    mock.stop()
    names = [re.search(r"fault: (\w+)", f[0]).group(1) for f in FAULTS]
    equal([o for (o,) in stage.rows("faults.db", "SELECT outcome FROM http WHERE outcome LIKE 'hit%' ORDER BY time")],
          [f"hit fault={n}" for n in names] + ["hit"], "outcomes")
    stage.tapedeck("verify", "faults.db", code=0)
    report = json.loads(stage.tapedeck("mock-report", "faults.db", "--json").stdout)
    equal({n: c for n, c in report["faults"].items() if c}, {"refused": 1, **{n: names.count(n) for n in names}}, "faults")
    equal(report["refused"], 1, "refused")


def sequence(stage, seed):
    """Which of many requests were touched."""
    stage.write("some.yaml", "- {fault: status, status: 500, percent: 30}\n- {fault: header, set: {x: 1}, percent: 50}\n")
    mock = Mock(stage, "--no-capture", "--faults", "some.yaml", "--seed", seed)
    out = mock.ready["out"]
    with contextlib.closing(socket.create_connection(out.rsplit(":", 1))) as s, s.makefile("rb") as f:
        got = []
        for _ in range(60):
            s.sendall(f"GET {stage.url}/b HTTP/1.1\r\nHost: localhost:{stage.port}\r\n\r\n".encode())
            status = int(f.readline().split()[1])
            heads = {}
            while (line := f.readline().strip()):
                name, _, value = line.partition(b":")
                heads[name.lower()] = value.strip()
            f.read(int(heads[b"content-length"]))
            got.append((status, b"x" in heads))
    mock.stop()
    return got


def seeds(stage):
    one = sequence(stage, 7)
    equal(sequence(stage, 7), one, "the same seed")
    assert sequence(stage, 8) != one, "another seed"
    count = sum(s == 500 for s, _ in one)
    assert 8 <= count <= 30, one


def reread(stage):
    """The file again at SIGHUP, wrong texts by POST, what never matched."""
    stage.write("f.yaml", "- {fault: status, status: 500}\n")
    mock = Mock(stage, "--no-capture", "--faults", "f.yaml", "--report-file", "report.json", "--fail-on-miss")
    assert b"500" in mock.curl("/b", "-o", "/dev/null", "-w", "%{http_code}").stdout
    stage.write("f.yaml", "- {fault: status, status: 418}\n- {fault: reset, when: 'path = /never'}\n")
    os.kill(mock.process.pid, signal.SIGHUP)
    until("the new rules", lambda: b"418" in mock.curl("/b", "-o", "/dev/null", "-w", "%{http_code}").stdout)
    stage.write("f.yaml", "- {fault: lag}\n")
    os.kill(mock.process.pid, signal.SIGHUP)
    until("the complaint", lambda: "f.yaml:1:11: there is no fault 'lag'" in mock.said())
    assert b"418" in mock.curl("/b", "-o", "/dev/null", "-w", "%{http_code}").stdout, "the rules stay"
    equal(mock.faults("--data-binary", "- {fault: latency}"), "faults:1:3: latency lacks delay\n\n400", "a wrong text")
    equal(mock.faults("-X", "PUT").splitlines()[-1], "405", "another method")
    equal(mock.faults("-H", "Origin: http://evil.example", "-d", "[]").splitlines()[-1], "403", "a page of the web")
    said = mock.stop(how=signal.SIGINT)
    assert "warning: the fault of line 2, reset, never matched" in said, said
    with open(stage.path("report.json"), encoding="utf-8") as f:
        report = json.load(f)
    equal((report["misses"], report["recorded"], report["unused"]), (0, 4, 3), "the report's file")
    assert report["hits"] == report["faulted"] >= 3, report


def alone(stage):
    """As clients reached the proxy that recorded: forward and http. A capture by the time."""
    mock = Mock(stage)
    assert mock.ready["out"] and not mock.ready["in"], mock.ready
    equal(mock.curl("/b").stdout, b'{"path": "/b"}', "an answer")
    mock.curl("/none")
    said = mock.stop()
    assert "1 request answered by 1 of 4 recordings, 1 missed" in said, said
    names = [n for n in os.listdir(stage.dir) if re.fullmatch(r"mock-\d{8}-\d{6}Z\.db", n)]
    equal(len(names), 1, "captures")
    equal(stage.rows(names[0], "SELECT path, outcome FROM http ORDER BY path"), [("/b", "hit"), ("/none", "miss")], "its rows")
    mock = Mock(stage, "--no-capture", "--fail-on-miss")
    mock.curl("/none")
    mock.stop(code=4)


def with_app(stage):
    """A service that runs for real while what it asks is answered by the tape; its clients come through the mock."""
    app, inbound = free_port(), free_port()
    p = stage.server(app, stage.url + "/b", through=(TAPEDECK, "mock", "day.db", "--capture", "app.db", "--app-port", app,
                                                     "--proxy-in-port", inbound, "--"))
    equal(run("curl", "-sS", f"http://localhost:{inbound}/ask", env=stage.env).stdout, b'{"path": "/b"}', "through the service")
    stop(p, timeout=60)
    equal(stage.rows("app.db", "SELECT direction, path, outcome FROM http ORDER BY direction"),
          [("inbound", "/ask", None), ("outbound", "/b", "hit")], "what was answered by whom")


def bad_input(stage):
    stage.write("bad.yaml", "- {fault: latency, delay: soon}\n")
    stage.write("text.db", "hello\n")
    cases = [
        (("mock",), 2, "which capture is to answer?"),
        (("mock", "none.db"), 2, "none.db: No such file or directory"),
        (("mock", "none.db", "--", "true"), 2, "none.db: No such file or directory"),
        (("mock", "bad.yaml"), 2, "bad.yaml"),
        (("mock", "text.db", "--proxy-type", "forward", "--proxy-protocol", "http"), 2, "text.db: opening: file is not a database"),
        (("mock", "text.db", "--", "true"), 2, "text.db: opening: file is not a database"),
        (("mock", "day.db", "--capture", "day.db"), 2, "the mock needs another"),
        (("mock", "day.db", "--faults", "bad.yaml"), 2, "bad.yaml:1:27: delay: 'soon' is not a time"),
        (("mock", "day.db", "--faults", "bad.yaml", "--", "true"), 2, "bad.yaml:1:27: delay: 'soon' is not a time"),
        (("mock", "day.db", "--match-rules", "bad.yaml"), 2, "bad.yaml:1:1: rules are a mapping"),
        (("mock", "day.db", "--timing", "fast"), 2, 'timing: "fast" is not none, recorded or a factor'),
        (("mock", "day.db", "--tape-filter", "status ="), 2, "tape-filter: column 9"),
        (("mock", "day.db", "--app-port", "80"), 2, "--app-port is for COMMAND"),
        (("mock", "day.db", "--proxy-type", "dual", "--", "true"), 2, "--proxy-type follows from --app-port"),
        (("mock", "day.db", "--no-capture", "--capture", "x.db"), 2, "--no-capture or --capture, not both"),
        (("mock", "day.db", "--capture", "same.db", "--", "true"), 125, "it is there already"),
        (("mock", "day.db", "--", "./none"), 127, "./none"),
        (("mock-report", "none.db"), 1, "none.db"),
        (("mock-report", "same.db", "same.db"), 2, "is one more"),
        (("mock-report", "same.db", "--write-rules", "r"), 2, "--write-rules is for --tape"),
        (("mock-report", "same.db", "--tape", "day.db", "--match-rules", "bad.yaml"), 2, "bad.yaml:1:1"),
        (("mock-report", "same.db", "--tape", "day.db", "--tape-filter", "a"), 2, "--tape-filter: column 1"),
    ]
    before = sorted(os.listdir(stage.dir))
    for argv, code, said in cases:
        r = stage.tapedeck(*argv, code=code, timeout=30)
        assert said in r.stderr.decode(), f"{argv}: {r.stderr.decode()}"
    equal([n for n in sorted(os.listdir(stage.dir)) if n not in before and not n.endswith(("-shm", "-wal"))], [], "what stayed")


def main():
    need("curl")
    stage = Stage()
    for part in (with_command, misses, faults, seeds, reread, alone, with_app, bad_input):
        part(stage)
        print(part.__name__, "as it should be")


main()
