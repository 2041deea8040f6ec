"""What the live tests share: a temporary folder, the sidecar as a process, servers, and looking into the capture.

Environment: TAPEDECK_BIN, the folder of the programs; TAPEDECK_TESTS, that of the tests' own programs (origin, load).
A test is a program that prints what it does and exits 0, or raises. 77 means skipped.
"""
import atexit
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

BIN = os.environ.get("TAPEDECK_BIN", "build/bin")
TESTS = os.environ.get("TAPEDECK_TESTS", "build-test/tests")
# Debian keeps servers in sbin, where an ordinary user's PATH does not lead.
os.environ["PATH"] += ":/usr/sbin:/sbin"
TAPEDECK = os.path.abspath(os.path.join(BIN, "tapedeck"))

_processes = []
_folders = []


def _end():
    for p in reversed(_processes):  # in order first: a server's own children end with it
        if p.poll() is None:
            p.terminate()
    for p in _processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            p.wait(5)
        p.kill()
        p.wait()
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


atexit.register(_end)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            skip("no " + program)


def folder():
    path = tempfile.mkdtemp(prefix="tapedeck-test-")
    os.chmod(path, 0o755)  # the proxy drops its rights and must still find what it may read
    _folders.append(path)
    return path


def free_port():
    """For a program that must be told one. Not of those that the system gives to others meanwhile."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        lowest = int(f.read().split()[0])
    for _ in range(1000):
        port = random.randrange(min(10000, lowest - 1), lowest)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("", port))
            return port
    raise AssertionError("no port is free")


def spawn(*argv, **options):
    p = subprocess.Popen([str(a) for a in argv], **options)
    _processes.append(p)
    return p


def stop(p, how=signal.SIGTERM, timeout=30):
    if p.poll() is None:
        p.send_signal(how)
    return p.wait(timeout)


def run(*argv, check=True, **options):
    r = subprocess.run([str(a) for a in argv], capture_output=True, timeout=options.pop("timeout", 120), **options)
    if check and r.returncode != 0:
        raise AssertionError(f"{argv}: exit {r.returncode}\n{r.stdout.decode(errors='replace')}{r.stderr.decode(errors='replace')}")
    return r


def until(what, condition, seconds=20.0):
    """Waits for the condition to be true; says what was waited for when it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("never came: " + what)


def listening(port, host="127.0.0.1"):
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def equal(got, wanted, what):
    assert got == wanted, f"{what}: got {got!r}, wanted {wanted!r}"


class Origin:
    """The tests' own HTTP server (origin.c)."""

    def __init__(self):
        self.process = spawn(os.path.join(TESTS, "origin"), stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())


def load(port, rate, seconds, connections, first_id, *more, check=True):
    """Runs the load generator to its end; its figures as a dict."""
    p = load_begin(port, rate, seconds, connections, first_id, *more)
    return load_end(p, check)


def load_begin(port, rate, seconds, connections, first_id, *more):
    return spawn(os.path.join(TESTS, "load"), f"127.0.0.1:{port}", rate, seconds, connections, first_id, *more,
                 stdout=subprocess.PIPE, text=True)


def load_end(p, check=True):
    out = p.communicate(timeout=300)[0]
    figures = json.loads(out.splitlines()[-1])
    if check:
        assert p.returncode == 0, f"the load saw errors: {figures}"
    return figures


class Sidecar:
    """`tapedeck run` on free ports with a capture of its own; or `tapedeck mock TAPE…`, as command."""

    def __init__(self, *options, where=None, capture=None, env=None, admin=True, command=("run",)):
        self.command = command
        self.dir = where or folder()
        self.capture = capture or os.path.join(self.dir, "capture.db")
        self.ready_file = os.path.join(self.dir, "ready.json")
        self.log = os.path.join(self.dir, "log")
        self.options = [str(o) for o in options]
        self.env = env
        self.admin = admin
        self.process = None
        self.ready = None

    def start(self, wait=True):
        argv = [TAPEDECK, *self.command, "--capture", self.capture, "--ready-file", self.ready_file,
                "--admin-listen", "127.0.0.1:0" if self.admin else "off"]
        given = " ".join(self.options)
        for port in ("--proxy-in-port", "--proxy-out-port"):
            if port not in given:
                argv += [port, "0"]
        self.process = spawn(*argv, *self.options, stderr=open(self.log, "ab"), stdout=subprocess.DEVNULL,
                             cwd=self.dir, env=dict(os.environ, XDG_RUNTIME_DIR=self.dir, **(self.env or {})))
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def look():
            if self.process.poll() is not None:
                raise AssertionError(f"the sidecar ended with {self.process.returncode}:\n{self.log_text()}")
            with contextlib.suppress(OSError, ValueError):
                with open(self.ready_file, encoding="utf-8") as f:
                    ready = json.load(f)
                return ready if ready["supervisor"] == self.process.pid else None
            return None

        self.ready = until("the ready file", look)
        return self.ready

    def port(self, which):
        return int(self.ready[which].rsplit(":", 1)[1])

    @property
    def inbound(self):
        return self.port("in")

    @property
    def outbound(self):
        return self.port("out")

    def get(self, path):
        """Asks the admin listener: (status, text)."""
        r = run("curl", "-s", "-o", "-", "-w", "\n%{http_code}", f"http://{self.ready['admin']}{path}")
        text, _, status = r.stdout.decode().rpartition("\n")
        return int(status), text

    def metric(self, name):
        """Sum of the samples of a metric."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            if line.split("{")[0].split(" ")[0] == name:
                total += float(line.rsplit(" ", 1)[1])
        return total

    def kill_all(self):
        """SIGKILL to supervisor, proxy and recorder."""
        for who in ("supervisor", "proxy", "recorder"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.ready[who], signal.SIGKILL)
        self.process.wait()

    def stop(self, code=0):
        got = stop(self.process, timeout=90)
        assert code is None or got == code, f"the sidecar ended with {got}, not {code}:\n{self.log_text()}"
        return self

    def log_text(self):
        with contextlib.suppress(OSError), open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()[-6000:]
        return ""

    def verify(self, code=0):
        r = run(TAPEDECK, "verify", self.capture, check=False, timeout=300)
        text = r.stdout.decode() + r.stderr.decode()
        assert r.returncode == code, f"verify answered {r.returncode}, not {code}:\n{text}\n{self.log_text()}"
        return text

    def rows(self, sql, *values):
        with contextlib.closing(sqlite3.connect(f"file:{self.capture}?mode=ro", uri=True, timeout=30)) as db:
            return db.execute(sql, values).fetchall()

    def one(self, sql, *values):
        return self.rows(sql, *values)[0][0]

    def committed(self, count, protocol="http", seconds=30):
        """Waits until so many transactions are in the capture."""
        def enough():
            with contextlib.suppress(sqlite3.OperationalError):
                return self.one("SELECT count(*) FROM txn WHERE protocol = ?", protocol) >= count
            return False

        try:
            until(f"{count} {protocol} transactions in the capture", enough, seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.log_text()}") from e

    def body(self, txn, side):
        """The content of one half of a transaction, by plain SQL."""
        flow, n, body = self.rows(f"SELECT flow, n, {side}_body FROM txn WHERE id = ?", txn)[0]
        s2c = int(side == "res")
        if body is not None:
            got = self.rows("SELECT bytes, flow, n, s2c FROM body WHERE id = ?", body)[0]
            if got[0] is not None:
                return got[0]
            flow, n, s2c = got[1:]
        return b"".join(r[0] for r in self.rows(
            "SELECT bytes FROM part WHERE flow = ? AND n = ? AND s2c = ? ORDER BY at", flow, n, s2c))


def rss_kib(pid):
    """Resident memory without file-backed pages of the spool, and with: (RssAnon, VmRSS)."""
    values = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            key, _, rest = line.partition(":")
            if key in ("RssAnon", "VmRSS", "VmHWM"):
                values[key] = int(rest.split()[0])
    return values


def ids_of(path):
    with open(path, encoding="ascii") as f:
        return [int(line) for line in f]


def recorded_ids(sidecar):
    """Numbers of the load generator's transactions in the capture, in any order."""
    return [int(q.split("&")[0][3:]) for q, in sidecar.rows(
        "SELECT query FROM txn WHERE path = '/load' AND state = 'complete'")]


def check_all_recorded(sidecar, finished):
    """Every finished transaction is there, once."""
    got = recorded_ids(sidecar)
    doubles = len(got) - len(set(got))
    missing = sorted(set(finished) - set(got))
    assert not doubles, f"{doubles} transactions are there twice"
    assert not missing, f"{len(missing)} of {len(finished)} are missing, the first: {missing[:5]}"
