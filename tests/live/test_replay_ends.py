"""How replays and mocks end when somebody ends them: stopped once, stopped twice, killed, with the recorder or without it. What was
answered is in the capture, which is never broken; the report so far is printed. Two at once do not meet."""
import glob
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import mixed
from harness import TAPEDECK, Sidecar, equal, folder, run, spawn, until

SLOW = ("--speed", "0.1", "--keep-host")


class Replay:
    """One that is under way, of which something is in the capture already."""

    def __init__(self, where, capture, port, *options, wait=True):
        self.dir = where
        self.mine = os.path.join(where, f"replay{len(os.listdir(where))}.db")
        self.process = spawn(TAPEDECK, "replay", capture, "--target", f"http://127.0.0.1:{port}", "--json", *options, "--capture",
                             self.mine, cwd=where, env=dict(os.environ, XDG_RUNTIME_DIR=where), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True)
        if wait:
            until("something in the capture", lambda: self.count() > 50)

    def count(self, what="outcome = 'equal'"):
        try:
            with sqlite3.connect(f"file:{self.mine}?mode=ro", uri=True, timeout=30) as db:
                return db.execute(f"SELECT count(*) FROM http WHERE {what}").fetchone()[0]
        except sqlite3.OperationalError:
            return 0

    def recorder(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            return int(f.read().split()[0])

    def end(self):
        """Its report and how long it took to come."""
        begun = time.monotonic()
        out, err = self.process.communicate(timeout=30)
        assert out, err
        return json.loads(out), time.monotonic() - begun

    def verify(self, *codes):
        r = run(TAPEDECK, "verify", self.mine, check=False, timeout=30)
        assert r.returncode in codes, f"verify: {r.returncode}\n{r.stdout.decode()}{r.stderr.decode()}"
        return r.returncode


def stopped(where, capture, port):
    for name, send, within in (
            ("SIGINT", lambda r: r.process.send_signal(signal.SIGINT), 10),
            ("SIGTERM", lambda r: r.process.send_signal(signal.SIGTERM), 10),
            ("SIGHUP", lambda r: r.process.send_signal(signal.SIGHUP), 10),
            ("SIGINT to all of the session", lambda r: os.killpg(r.process.pid, signal.SIGINT), 10),
            ("SIGINT twice", lambda r: [r.process.send_signal(signal.SIGINT), time.sleep(0.05), r.process.send_signal(signal.SIGINT)],
             5)):
        r = Replay(where, capture, port, *SLOW)
        send(r)
        report, seconds = r.end()
        requests = report["requests"]
        twice = name == "SIGINT twice"
        code = r.verify(0, 1) if twice else r.verify(0)
        print(f"{name}: {seconds:.2f} s, exit {r.process.returncode}, {requests['sent']} sent, {requests['equal']} equal, "
              f"{r.count()} in the capture, verify {code}", flush=True)
        equal((r.process.returncode, report["stopped"]), (2, "interrupted"), f"{name}: exit code, why it ended")
        assert seconds < within, seconds
        assert 50 < requests["equal"] <= requests["sent"] < mixed.COUNT, requests
        if not twice:
            equal((r.count(), r.count("1")), (requests["equal"], requests["sent"]), f"{name}: equal and sent, in the capture")


def killed(where, capture, port):
    for name, recorder_too in (("the replay", False), ("the replay and its recorder", True)):
        r = Replay(where, capture, port, *SLOW)
        recorder = r.recorder()
        if recorder_too:
            os.kill(recorder, signal.SIGKILL)
        r.process.kill()
        equal(r.process.communicate()[0], b"", "what the killed one said")
        until("the recorder's end", lambda: not os.path.exists(f"/proc/{recorder}"))
        code = r.verify(0, 1)
        equal(r.count("outcome = 'differs'"), 0, "differences")
        assert r.count() > 50
        print(f"killed {name}: {r.count()} in the capture, verify {code}", flush=True)
    # Its recorder alone: another one goes on.
    r = Replay(where, capture, port, "--speed", "0.5", "--keep-host")
    os.kill(r.recorder(), signal.SIGKILL)
    report = r.end()[0]
    code = r.verify(0)
    equal((r.process.returncode, report["requests"]["equal"], r.count()), (0, mixed.COUNT, mixed.COUNT), "equal, in the capture")
    print(f"killed its recorder alone: {r.count()} in the capture, verify {code}", flush=True)


def two_at_once(where, capture, port):
    """In one folder, with names that they choose."""
    here = folder()
    both = [spawn(TAPEDECK, "replay", capture, "--target", f"http://127.0.0.1:{port}", "--json", "--keep-host", "--speed", "max", cwd=here,
                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    for p in both:
        out, err = p.communicate(timeout=50)
        equal((p.returncode, json.loads(out)["requests"]["equal"] if out else err), (0, mixed.COUNT), "one of several at once")
    captures = glob.glob(os.path.join(here, "replay-*.db"))
    equal(len(captures), 3, f"captures: {os.listdir(here)}")
    for c in captures:
        run(TAPEDECK, "verify", c)
        equal(run(TAPEDECK, "query", "--no-header", c, "SELECT count(*), count(DISTINCT original) FROM http").stdout.split(),
              [b"5200", b"5200"], "what is in it")
    print("three at once: each is equal", flush=True)


def mock_again(where, capture):
    """Killed while it serves; another on the same capture, into the same own one."""
    options = ("--proxy-type", "reverse", "--proxy-host", "127.0.0.1", "--proxy-port", "9", "--in-bind", "127.0.0.1", "--log-level", "warn",
               "--redact", "none")
    s = Sidecar(*options, command=("mock", capture)).start()
    r = Replay(where, capture, s.inbound, *SLOW)
    s.kill_all()
    r.process.send_signal(signal.SIGINT)
    report = r.end()[0]
    assert report["requests"]["equal"] > 50, report["requests"]
    r.verify(0)
    again = Sidecar(*options, "--proxy-in-port", str(s.inbound), where=s.dir, command=("mock", capture)).start()
    r = Replay(where, capture, again.inbound, "--speed", "max", "--keep-host", wait=False)
    equal(r.end()[0]["requests"]["equal"], mixed.COUNT, "equal to what the second mock says")
    again.stop()
    print("mock killed, and started again:", again.verify(1).splitlines()[0], flush=True)
    equal(again.rows("SELECT DISTINCT outcome FROM http WHERE status IS NOT NULL"), [("hit",)], "outcomes")


def main():
    server = mixed.Server()
    s, _ = mixed.record(server, "tcp")
    where = folder()
    stopped(where, s.capture, server.port)
    killed(where, s.capture, server.port)
    two_at_once(where, s.capture, server.port)
    mock_again(where, s.capture)
    left = [name for name in os.listdir(where) if name.startswith("tapedeck-")]
    print("folders left by killed ones:", len(left))
    assert len(left) <= 2, left
    return 0


if __name__ == "__main__":
    sys.exit(main())
