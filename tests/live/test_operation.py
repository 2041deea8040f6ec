"""Operation: probes, metrics, live flows, reload, drain, descriptors of the processes, restart after a death."""
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import stat
import time

from harness import TAPEDECK, Origin, Sidecar, equal, folder, load, run, spawn, stop, until


def probes_and_metrics(s, origin):
    equal(s.get("/healthz")[0], 200, "/healthz")
    equal(s.get("/readyz")[0], 200, "/readyz")
    equal(s.get("/nothing")[0], 404, "an unknown path")
    load(s.inbound, 200, 2, 4, 2)
    s.committed(400)
    status, text = s.get("/metrics")
    equal(status, 200, "/metrics")
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) \S+ .+|[a-z_]+(\{[^}]*\})? [-+0-9.eE]+", line), f"no Prometheus text: {line}"
    equal(s.metric("tapedeck_transactions_total"), 400, "transactions counted")
    equal(s.metric("tapedeck_lost_transactions_total"), 0, "losses counted")


def live_flows(s):
    with socket.create_connection(("127.0.0.1", s.inbound)) as c:
        c.sendall(b"POST /live HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        flows = until("the flow in the list", lambda: json.loads(s.get("/flows")[1]).get("flows"))
        flow = flows[0]
        for key in ("client", "server", "state", "first_speaker", "c2s", "s2c", "buffered", "age_ms"):
            assert key in flow, f"/flows lacks {key}: {flow}"
        equal(flow["client"], "127.0.0.1:%d" % c.getsockname()[1], "the flow's client")


def reload(s, config):
    with open(config, "w", encoding="ascii") as f:
        f.write("max-body: 10\nhead-max: 2KiB\n")
    os.kill(s.process.pid, signal.SIGHUP)
    until("the word that head-max cannot change", lambda: "head-max" in s.log_text())
    before = s.one("SELECT count(*) FROM txn")
    load(s.inbound, 50, 1, 2, 900002)
    s.committed(before + 50)
    equal(s.one("SELECT max(res_stored) <= 10 FROM (SELECT res_stored FROM txn ORDER BY start_us DESC LIMIT 40)"), 1,
          "max-body after SIGHUP")
    with open(config, "w", encoding="ascii") as f:
        f.write("max-body: [oops\n")
    os.kill(s.process.pid, signal.SIGHUP)
    until("the fault in the file, with its line", lambda: re.search(r"config\.yaml:\d+", s.log_text()))
    load(s.inbound, 50, 1, 2, 990002)
    # One wrong value, and nothing of the file is taken.
    with open(config, "w", encoding="ascii") as f:
        f.write("max-body: 20\nredact: default,json:password\n")
    said = len(s.log_text())
    os.kill(s.process.pid, signal.SIGHUP)
    until("the refusal, and why", lambda: re.search(
        'options stay as they were reason="redact: .{0,2}json:password.{0,3}: a path is ', s.log_text()[said:]))
    load(s.inbound, 50, 1, 2, 1080002)
    s.committed(before + 150)
    equal(s.one("SELECT max(res_stored) <= 10 FROM (SELECT res_stored FROM txn ORDER BY start_us DESC LIMIT 40)"), 1,
          "max-body after a reload that was refused")


def drain(origin):
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                origin.port, "--in-bind", "127.0.0.1", "--drain-timeout", "8s").start()
    with socket.create_connection(("127.0.0.1", s.inbound)) as c:
        c.sendall(b"POST /load?id=2&req=8&res=5 HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n")
        time.sleep(0.5)
        s.process.send_signal(signal.SIGTERM)
        port = s.inbound
        until("closed listeners", lambda: socket.socket().connect_ex(("127.0.0.1", port)) != 0)
        c.sendall(b"wrong!!!")
        answer = c.recv(4096)
        assert answer.startswith(b"HTTP/1.1 409"), f"a transaction under way was cut by SIGTERM: {answer}"
    equal(s.process.wait(30), 0, "exit code after SIGTERM")
    equal(s.one("SELECT count(*) FROM txn WHERE status = 409"), 1, "the drained transaction in the capture")
    s.verify()


def drain_timeout_changed(origin):
    """A longer drain timeout, set by SIGHUP, holds for the supervisor as well: it does not kill the proxy before."""
    where = folder()
    config = os.path.join(where, "config.yaml")
    with open(config, "w", encoding="ascii") as f:
        f.write("drain-timeout: 0s\n")
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "tcp", "--proxy-host", "127.0.0.1", "--proxy-port",
                origin.port, "--in-bind", "127.0.0.1", "--config", config, where=where).start()
    with open(config, "w", encoding="ascii") as f:
        f.write("drain-timeout: 60s\n")
    s.process.send_signal(signal.SIGHUP)
    until("the word of the reload", lambda: "tapedeck-proxy options read again" in s.log_text())
    with socket.create_connection(("127.0.0.1", s.inbound)) as c:
        c.sendall(b"GET /late HTTP/1.1\r\nHost: a\r\n")
        until("the flow", lambda: json.loads(s.get("/flows")[1]).get("flows"))
        s.process.send_signal(signal.SIGTERM)
        time.sleep(6.5)  # more than the old timeout and the supervisor's patience on top of it
        c.sendall(b"Connection: close\r\n\r\n")
        assert c.recv(4096).startswith(b"HTTP/1.1 200"), "the answer of a draining proxy"
        while c.recv(65536):
            pass
    equal(s.process.wait(30), 0, f"exit code: {s.log_text()}")
    s.verify()


def files_are_private(s):
    equal(stat.S_IMODE(os.stat(s.capture).st_mode), 0o600, "mode of the capture")
    spool = os.path.join(s.dir, "spool")
    for name in os.listdir(spool):
        equal(stat.S_IMODE(os.stat(os.path.join(spool, name)).st_mode), 0o600, f"mode of {name}")


def recorder_down_at_the_end(origin):
    """What the drain flushes needs somebody to take it, however long the recorder's back-off has become."""
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                origin.port, "--in-bind", "127.0.0.1", "--spool-dir=").start()
    for n in range(1, 7):
        pid = s.wait_ready()["recorder"]
        os.kill(pid, signal.SIGKILL)
        until("the word of its end", lambda n=n: s.log_text().count("recorder died") == n)
        if n < 6:
            until("its restart", lambda pid=pid: s.wait_ready()["recorder"] != pid)
    for n in range(3):
        run("curl", "-sSf", f"http://127.0.0.1:{s.inbound}/{n}")
    s.stop()
    equal(s.one("SELECT count(*) FROM txn"), 3, "transactions that only the drain could flush")
    s.verify()


def halves_alone(origin):
    where = folder()
    sock, capture = os.path.join(where, "r.sock"), os.path.join(where, "c.db")
    bin_dir = os.path.dirname(TAPEDECK)
    ready = os.path.join(where, "ready")
    proxy = spawn(os.path.join(bin_dir, "tapedeck-proxy"), "--recorder", "unix:" + sock, "--proxy-type", "reverse",
                  "--proxy-protocol", "tcp", "--proxy-host", "127.0.0.1", "--proxy-port", origin.port, "--proxy-in-port", "0",
                  "--in-bind", "127.0.0.1", "--admin-listen", "off", "--ready-file", ready, "--user", "0")
    until("the proxy", lambda: os.path.exists(ready))
    port = int(json.load(open(ready, encoding="utf-8"))["in"].rsplit(":", 1)[1])
    run("curl", "-sSf", f"http://127.0.0.1:{port}/before-the-recorder")
    recorder = spawn(os.path.join(bin_dir, "tapedeck-recorder"), "--listen", "unix:" + sock, "--capture", capture)
    until("the socket", lambda: os.path.exists(sock))
    equal(stat.S_IMODE(os.stat(sock).st_mode), 0o600, "mode of the socket")
    run("curl", "-sSf", f"http://127.0.0.1:{port}/with-the-recorder")
    equal(stop(proxy), 0, "the proxy's exit code")
    equal(stop(recorder), 0, "the recorder's exit code")
    lines = run(TAPEDECK, "ls", capture, "--json").stdout.decode().splitlines()
    equal([json.loads(l)["path"] for l in lines], ["/before-the-recorder", "/with-the-recorder"], "ls")
    run(TAPEDECK, "verify", capture)


def spooled():
    return ["--spool-dir", folder() + "/spool", "--spool-size", "8MiB", "--user", "0"]


def records_given_up(origin):
    """The recorder stands still to the end: without a spool directory that is told by the exit code, with one it waits."""
    for more, code, wakes in ([], 3, True), (spooled(), 0, True), (spooled(), 0, False):
        s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                    origin.port, "--in-bind", "127.0.0.1", "--drain-timeout", "0", *more).start()
        recorder = s.ready["recorder"]
        os.kill(recorder, signal.SIGSTOP)
        try:
            run("curl", "-sSf", f"http://127.0.0.1:{s.inbound}/given-up")
            s.process.send_signal(signal.SIGTERM)
            until("the proxy's end", lambda: not os.path.exists(f"/proc/{s.ready['proxy']}"))
        finally:
            if wakes:
                os.kill(recorder, signal.SIGCONT)
        equal(s.process.wait(30), code, f"exit code with {more}: {s.log_text()}")
        equal("nobody keeps them records=" in s.log_text(), not more, f"the word of lost records with {more}")
        if more:
            s.start().committed(1)
            s.stop()
            s.verify()


def capture_removed(origin):
    """Somebody removes the capture, or puts another in its place: that is told, and nothing later is lost."""
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                origin.port, "--in-bind", "127.0.0.1", "--user", "0").start()
    run("curl", "-sSf", f"http://127.0.0.1:{s.inbound}/before")
    s.committed(1)
    for name in os.listdir(s.dir):
        if name.startswith("capture.db") and not name.endswith("-lock"):
            os.rename(os.path.join(s.dir, name), os.path.join(s.dir, "moved-" + name))
    for i in range(3):
        run("curl", "-sSf", f"http://127.0.0.1:{s.inbound}/after/{i}")
    until("the new capture", lambda: os.path.exists(s.capture))
    s.committed(3)
    s.stop()
    assert "it was removed, or another file took its place" in s.log_text(), s.log_text()
    lines = run(TAPEDECK, "ls", s.capture, "--json").stdout.decode().splitlines()
    equal([json.loads(l)["path"] for l in lines], [f"/after/{i}" for i in range(3)], "ls")
    s.verify()


def captures_that_can_never_be(origin):
    """The sidecar refuses at start where nothing could ever be recorded; a running one goes on."""
    where = folder()
    os.mkfifo(where + "/fifo")
    with open(where + "/notes.txt", "w", encoding="ascii") as f:
        f.write("These are notes, not a database.\n" * 20)
    with contextlib.closing(sqlite3.connect(where + "/cats.db")) as db:
        db.execute("CREATE TABLE cats (name TEXT)")
    for path in where, "/dev/null", where + "/fifo", where + "/notes.txt", where + "/cats.db", where + "/no/such.db", "":
        ready = os.path.join(where, "ready.json")
        r = run(TAPEDECK, "run", "--capture", path, "--proxy-type", "forward", "--proxy-out-port", "0", "--admin-listen", "off",
                "--ready-file", ready, check=False, timeout=20)
        text = r.stderr.decode()
        equal(r.returncode, 2, f"capture {path!r}: exit code, {text}")
        assert " ready in=" not in text, f"capture {path!r}: said to be ready: {text}"
        assert not os.path.exists(ready), f"capture {path!r}: the ready file is there"
        equal(sum("cannot start reason=" in line and path in line for line in text.splitlines()), 1, f"lines about {path!r}: {text}")

    notes = os.path.join(where, "note.txt")
    capture = os.path.join(where, "never.db")
    for more in ["--proxy-type", "forward", "--proxy-protocol", "tcp:http"], ["--proxy-type", "forward", "--out-bind", "nowhere.example"]:
        with open(notes, "w", encoding="utf-8") as f:
            f.write("mine\n")
        r = run(TAPEDECK, "run", "--capture", capture, "--ready-file", notes, *more, check=False, timeout=20)
        equal(r.returncode, 2, f"exit code with {more}: {r.stderr.decode()}")
        equal(r.stderr.decode().count("\n"), 1, f"lines about {more}: {r.stderr.decode()}")
        assert not os.path.exists(capture), f"with {more} a capture was made"
        with open(notes, encoding="utf-8") as f:
            equal(f.read(), "mine\n", f"a file of the user's, with {more}")

    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                origin.port, "--in-bind", "127.0.0.1", "--user", "0").start()
    os.kill(s.ready["recorder"], signal.SIGSTOP)
    for name in os.listdir(s.dir):
        if name.startswith("capture.db"):
            os.rename(os.path.join(s.dir, name), os.path.join(s.dir, "kept-" + name))
    os.mkdir(s.capture)
    os.kill(s.ready["recorder"], signal.SIGKILL)
    until("a second refusal", lambda: s.log_text().count("recorder died code=2") >= 2)
    run("curl", "-sSf", f"http://127.0.0.1:{s.inbound}/meanwhile")
    os.rmdir(s.capture)
    s.committed(1)
    s.stop()
    s.verify()


def ends_as_asked(origin):
    """A recorder that does not take signals yet dies of SIGTERM: that is no bad end. One that dies otherwise is."""
    bin_dir = os.path.join(folder(), "bin")
    os.mkdir(bin_dir)
    for name in ("tapedeck", "tapedeck-proxy"):
        run("cp", os.path.join(os.path.dirname(TAPEDECK), name), bin_dir)
    recorder = os.path.join(bin_dir, "tapedeck-recorder")
    for script, badly in ("exec sleep 60", []), ("trap 'kill -KILL $$' TERM; while :; do sleep 0.05; done", ["recorder ended badly signal=9"]):
        with open(recorder, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n" + script + "\n")
        os.chmod(recorder, 0o755)
        r = run(os.path.join(bin_dir, "tapedeck"), "run", "--proxy-type", "forward", "--proxy-out-port", origin.port,
                "--admin-listen", "off", check=False, timeout=20)
        text = r.stderr.decode()
        equal(r.returncode, 1, f"{script}: exit code, {text}")
        equal(re.findall(r"\w+ ended badly \S+", text), badly, f"{script}: bad ends in {text}")


def bad_starts(origin):
    taken = Sidecar("--proxy-type", "forward", "--proxy-protocol", "http").start()
    for options, code, words in (
            (["--proxy-type", "sideways"], 2, ["proxy-type", "sideways", "transparent"]),
            (["--proxy-type", "forward", "--proxy-out-port", "70000"], 2, ["proxy-out-port", "70000", "65535"]),
            (["--proxy-type", "forward", "--no-such"], 2, ["no-such"]),
            (["--proxy-type", "forward", "--max-body", "12parsecs"], 2, ["max-body", "12parsecs"]),
            (["--proxy-type", "forward", "--capture-filter", "status >"], 2, ["capture-filter"]),
            (["--proxy-type", "forward", "--redact", "default,json:password"], 2, ["redact", "json:password", "header:NAME"]),
            (["--proxy-type", "forward", "--proxy-out-port", str(taken.outbound)], 1, ["in use"])):
        r = run(TAPEDECK, "run", "--capture", folder() + "/c.db", "--admin-listen", "off", *options, check=False, timeout=20)
        text = r.stderr.decode()
        equal(r.returncode, code, f"{options}: exit code, {text}")
        for word in words:
            assert word in text, f"{options}: {word!r} is not in: {text}"
    taken.stop()


def main():
    origin = Origin()
    where = folder()
    config = os.path.join(where, "config.yaml")
    with open(config, "w", encoding="ascii") as f:
        f.write("max-body: 1MiB\n")
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                origin.port, "--in-bind", "127.0.0.1", "--config", config, "--spool-dir", os.path.join(where, "spool"),
                "--spool-size", "8MiB", where=where).start()
    probes_and_metrics(s, origin)
    live_flows(s)
    reload(s, config)
    files_are_private(s)
    s.stop()
    s.verify()
    drain(origin)
    drain_timeout_changed(origin)
    recorder_down_at_the_end(origin)
    halves_alone(origin)
    records_given_up(origin)
    capture_removed(origin)
    captures_that_can_never_be(origin)
    ends_as_asked(origin)
    bad_starts(origin)
    print("operation: as it should be")


main()
