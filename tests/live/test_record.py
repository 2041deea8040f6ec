"""tapedeck record: a command as it would run without us, recorded; its exit code, signals, terminal; what is left."""
import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import termios
import time

from harness import TAPEDECK, TESTS, Origin, Sidecar, equal, folder, free_port, listening, need, run, spawn, until

PYTHON = sys.executable
NOTHING = "warning: nothing came through"


class Place:
    """A folder to record in, and one for what is private."""

    def __init__(self):
        self.dir = folder()
        self.private = os.path.join(folder(), "run")
        os.mkdir(self.private, 0o755)
        # Without what the machine that tests has set, which says no more than that it is there.
        self.env = {k: v for k, v in os.environ.items()
                    if not re.search("_proxy$|_ca_|_cert|_cainfo$|_ssl_|^tapedeck_|^wgetrc$|^java_", k, re.IGNORECASE)}
        self.env.update(XDG_RUNTIME_DIR=self.private, XDG_DATA_HOME=self.private, TMPDIR=self.private,
                        XDG_CACHE_HOME=self.private, HOME=self.private)

    def record(self, *argv, options=(), **more):
        return run(TAPEDECK, "record", *options, "--", *argv, check=False, cwd=self.dir, env=self.env, **more)

    def captures(self):
        return sorted(n for n in os.listdir(self.dir) if n.endswith(".db"))

    def rows(self, sql, capture=None):
        path = os.path.join(self.dir, capture or self.captures()[0])
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()

    def left(self):
        """Folders of recordings that are over."""
        return [n for n in os.listdir(self.private) if n.startswith("tapedeck-")]

    def nothing_left(self):
        equal(self.left(), [], "what stayed in the private place")
        equal(os.listdir(self.dir), [], "what stayed in the folder")


def says(r, text):
    err = r.stderr.decode()
    assert text in err, f"not told: {text}\nbut: {err}"


def line(stream):
    """The next line of a pipe, "" at its end; nothing else has read from it."""
    text, end = b"", time.monotonic() + 60
    while not text.endswith(b"\n"):
        assert select.select([stream], [], [], max(0, end - time.monotonic()))[0], f"no line came behind: {text}"
        byte = os.read(stream.fileno(), 1)
        if not byte:
            break
        text += byte
    return text.decode()


def recorded(origin):
    p = Place()
    url = f"http://localhost:{origin.port}/load?id=2&req=0&res=20"
    direct = run("curl", "-sS", url, env=p.env)
    r = p.record("curl", "-sS", url)
    equal((r.returncode, r.stdout), (0, direct.stdout), "curl")
    says(r, f"1 transaction with 1 host (1 localhost:{origin.port})")
    assert re.fullmatch(r"capture-\d{8}-\d{6}Z\.db", p.captures()[0]), p.captures()
    says(r, "tapedeck ls " + p.captures()[0])
    equal(p.rows("SELECT method, path, status, direction FROM http"), [("GET", "/load", 200, "outbound")], "rows")
    run(TAPEDECK, "verify", os.path.join(p.dir, p.captures()[0]))
    equal(p.left(), [], "folders that stayed")
    r = p.record(PYTHON, "-c", f"import urllib.request as u; u.urlopen('{url}').read()",
                 options=("--capture", "own.db", "--quiet"))
    equal((r.returncode, r.stdout, r.stderr), (0, b"", b""), "python, quiet")
    equal(p.rows("SELECT status FROM http", "own.db"), [(200,)], "rows of python")
    before = run("sha256sum", os.path.join(p.dir, "own.db")).stdout
    r = p.record("touch", "ran", options=("--capture", "own.db"))
    equal(r.returncode, 125, "a capture that is there")
    says(r, "own.db: it is there already")
    equal(run("sha256sum", os.path.join(p.dir, "own.db")).stdout, before, "the old capture")
    assert not os.path.exists(os.path.join(p.dir, "ran")), "the command was run"
    r = p.record("curl", "-sS", url, options=("--no-proxy", "localhost"))
    says(r, NOTHING)
    r = p.record("curl", "-sS", url, options=("--app-port", free_port(), "--capture", "it's.db"))
    says(r, "nobody asked 127.0.0.1:")
    says(r, "tapedeck ls 'it'\\''s.db'")
    assert NOTHING not in r.stderr.decode(), r.stderr
    equal(p.record("true", *range(5000)).returncode, 0, "5000 arguments")


def rotated(origin):
    """All files of a capture are looked at; those of another are none of it."""
    p = Place()
    body = 300000
    urls = [f"http://localhost:{origin.port}/load?id={2 * i}&req=0&res={body + i}" for i in range(1, 9)]
    r = p.record("sh", "-c", "for u; do curl -sS -o /dev/null \"$u\"; sleep 0.3; done", "sh", *urls,
                 options=("--capture", "c.db", "--sidecar", "rotate-size=500000", "--sidecar", "rotate-age=1s"))
    equal(r.returncode, 0, "exit code")
    assert len(p.captures()) > 2, p.captures()
    says(r, f"8 transactions with 1 host (8 localhost:{origin.port})")
    says(r, f"it is in {len(p.captures())} files")
    os.unlink(os.path.join(p.dir, "c.db"))
    left = p.captures()
    r = p.record("touch", "ran", options=("--capture", "c.db"))
    equal(r.returncode, 125, "a name of another capture's file")
    says(r, "c.db: by its name it would be a part of a capture")
    equal((p.captures(), os.path.exists(os.path.join(p.dir, "ran"))), (left, False), "what is there")


def exit_codes():
    p = Place()
    equal(p.record("sh", "-c", "exit 7").returncode, 7, "exit code")
    equal(p.record("sh", "-c", "kill -9 $$").returncode, 137, "killed")
    equal(p.record("sh", "-c", "kill -TERM $$").returncode, 143, "ended by SIGTERM")
    p = Place()
    script, broken = os.path.join(p.private, "script"), os.path.join(p.private, "broken")
    with open(script, "w", encoding="ascii") as f:
        f.write("echo hi\n")
    for command, code, text in ((("no-such-command",), 127, "no-such-command: command not found"),
                                (("./no-such",), 127, "./no-such: No such file"),
                                ((p.private,), 126, "Is a directory"), ((script,), 126, "Permission denied")):
        r = p.record(*command)
        equal((r.returncode, r.stdout, r.stderr.count(b"\n")), (code, b"", 1), f"{command}: {r.stderr}")
        says(r, text)
        p.nothing_left()
    with open(broken, "w", encoding="ascii") as f:
        f.write("#!/no/such/interpreter\n")
    os.chmod(broken, 0o755)
    equal(p.record(broken).returncode, 126, "no interpreter")
    p.nothing_left()
    os.chmod(script, 0o755)
    equal(p.record(script).stdout, b"hi\n", "a script without #!, as a shell runs it")


def no_sidecar():
    p = Place()
    fails = ("--sidecar", "spool-dir=/dev/null/none")
    r = p.record("touch", "ran", options=fails)
    equal(r.returncode, 125, "a sidecar that does not start")
    says(r, "the sidecar did not start, so touch was not run:")
    says(r, "spool-dir /dev/null/none: Not a directory")
    p.nothing_left()
    for option, text in (("redact=nonsense", 'redact: "nonsense"'), ("max-body=x", "max-body cannot be"), ("nonsense=1", "unknown option"),
                         ("capture=x.db", "capture follows from"), ("memory", "is not OPTION=VALUE")):
        r = p.record("touch", "ran", options=("--sidecar", option))
        equal(r.returncode, 2, option)
        says(r, text)
        p.nothing_left()
    log = os.path.join(p.private, "log")
    with open(log, "w", encoding="ascii") as f:
        f.write("an error of another recording\n")
    r = p.record("touch", "ran", options=(*fails, "--log", log))
    says(r, "spool-dir /dev/null/none: Not a directory")
    assert b"another recording" not in r.stderr, r.stderr
    r = p.record("touch", "ran", options=("--app-port", 8080, "--in-port", 8080))
    equal(r.returncode, 2, "one port for two")
    p.nothing_left()
    p.env["TAPEDECK_SPOOL_SIZE"] = "oops"
    r = p.record("touch", "ran")
    equal(r.returncode, 2, "a wrong TAPEDECK_SPOOL_SIZE")
    p.nothing_left()


def nothing_came():
    p = Place()
    r = p.record("true", options=("--quiet",))
    equal(r.returncode, 0, "nothing came")
    says(r, NOTHING)
    for name, text in (("node", "NODE_USE_ENV_PROXY"), ("java", "JAVA_TOOL_OPTIONS"), ("python3.12", "trust_env"),
                       ("docker", "tapedeck env"), ("sudo", "in front of tapedeck")):
        path = os.path.join(p.private, name)
        os.symlink("/bin/true", path)
        r = p.record(path)
        says(r, NOTHING)
        says(r, text)
        os.unlink(path)
    port = free_port()
    r = p.record("true", options=("--app-port", port))
    says(r, "nobody asked 127.0.0.1:")


def seen(r):
    """What a program finds around it."""
    return json.loads(r.stdout)


LOOK = r"""
import json, os, resource, signal
status = dict(l.rstrip("\n").split(":\t", 1) for l in open("/proc/self/status") if l.startswith("Sig"))
print(json.dumps({
    "ignored": status["SigIgn"], "blocked": status["SigBlk"], "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "core": resource.getrlimit(resource.RLIMIT_CORE), "umask": os.umask(0), "cwd": os.getcwd(),
    "fds": sorted(f for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f)),
    "env": dict(os.environ), "group": os.getpgrp() == os.getpgid(os.getppid())}))
"""


def surroundings():
    p = Place()
    p.env["JAVA_TOOL_OPTIONS"] = "-Xmx64m"
    p.env["HTTPS_PROXY"] = "http://before.example:3128"
    p.env["no_proxy"] = "localhost"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))

    direct = seen(run(PYTHON, "-c", LOOK, env=p.env, cwd=p.dir, preexec_fn=limit))
    r = p.record(PYTHON, "-c", LOOK, preexec_fn=limit)
    ours = seen(r)
    says(r, "HTTPS_PROXY was set: its proxy is not asked")
    for key in ("ignored", "blocked", "files", "core", "umask", "cwd", "fds"):
        equal(ours[key], direct[key], key)
    assert ours["group"], "another process group than ours"
    env, was = ours["env"], direct["env"]
    url = env["HTTP_PROXY"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url), url
    for name in ("http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        equal(env[name], url, name)
    equal((env["NO_PROXY"], env["no_proxy"], env["NODE_USE_ENV_PROXY"]), ("", "", "1"), "NO_PROXY")
    assert env["JAVA_TOOL_OPTIONS"].startswith("-Xmx64m -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort="), env
    for name, value in was.items():
        if name not in env or (env[name] != value and not name.lower().endswith("_proxy") and
                               name not in ("JAVA_TOOL_OPTIONS", "SSL_CERT_FILE", "_")):
            raise AssertionError(f"{name} was {value}, is {env.get(name)}")
    # TLS
    r = p.record("sh", "-c", 'grep -c BEGIN "$CURL_CA_BUNDLE"; grep -c BEGIN "$NODE_EXTRA_CA_CERTS"; '
                 'stat -c %a "$(dirname "$SSL_CERT_FILE")"')
    lines = r.stdout.decode().split()
    assert int(lines[0]) >= 1, lines
    equal(lines[1:], ["1", "711" if os.geteuid() == 0 else "700"], "the authority alone; the folder's mode")
    assert "CURL_CA_BUNDLE" not in seen(p.record(PYTHON, "-c", LOOK, options=("--no-tls",)))["env"]
    equal(p.left(), [], "folders that stayed")


def as_root(origin):
    """Who gives the rights of root up comes to what is made for him."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        print("as_root: passed over, we are not root or there is no setpriv")
        return
    p = Place()
    user = ("setpriv", "--reuid", "4321", "--regid", "4321", "--clear-groups")
    r = p.record(*user, "sh", "-c", 'cat "$SSL_CERT_FILE" "$NODE_EXTRA_CA_CERTS" "$WGETRC" >/dev/null')
    equal(r.returncode, 0, f"the files of trust: {r.stderr}")
    with open(os.path.join(p.private, ".wgetrc"), "w", encoding="ascii") as f:
        f.write("password = secret\n")
    equal(p.record(*user, "sh", "-c", 'cat "$WGETRC"').stdout, b"", "what the user tells wget")
    assert b"secret" in p.record("sh", "-c", 'cat "$WGETRC"').stdout, "the user's own wgetrc"
    # A folder that nobody else may pass, as root's own is.
    p = Place()
    os.chmod(p.private, 0o700)
    r = p.record("curl", "-sS", f"http://localhost:{origin.port}/load?id=2&req=0&res=20")
    says(r, "1 transaction with 1 host")
    # The authority that a sidecar has made for its own user is root's as well.
    p = Place()
    Sidecar("--proxy-type", "forward", "--tls-out", env={n: p.env[n] for n in ("HOME", "XDG_DATA_HOME")}).start().stop()
    key = os.path.join(p.private, "tapedeck", "ca", "tapedeck-ca.key")
    assert os.stat(key).st_uid != 0, "the sidecar's user has no key"
    run(TAPEDECK, "ca", "show", env=p.env)
    equal(p.record("true").returncode, 0, "a recording with it")


def authorities(origin):
    """COMMAND trusts the authority that the sidecar has, whatever names it."""
    p = Place()
    config = os.path.join(p.private, "config.yaml")
    for name, options in (("environment", ()), ("file", ("--sidecar", "config=" + config)), ("line", ())):
        where = os.path.join(p.private, name)
        if name == "environment":
            p.env["TAPEDECK_TLS_CA_DIR"] = where
        elif name == "file":
            del p.env["TAPEDECK_TLS_CA_DIR"]
            with open(config, "w", encoding="utf-8") as f:
                f.write(f"tls-ca-dir: {where}\n")
        else:
            p.env.update(TAPEDECK_TLS_CA_CERT="/none", TAPEDECK_TLS_CA_KEY="/none")
            options = ("--tls-ca-dir", where)
        r = p.record("sh", "-c", 'cat "$NODE_EXTRA_CA_CERTS"', options=options)
        with open(os.path.join(where, "tapedeck-ca.crt"), "rb") as f:
            equal((r.returncode, r.stdout), (0, f.read()), f"the authority of the {name}: {r.stderr}")
    assert not os.path.exists(os.path.join(p.private, "tapedeck", "ca")), "an authority that nobody uses"
    for more in ({"TAPEDECK_TLS_CA_DIR": where}, {"TAPEDECK_TLS_CA_CERT": os.path.join(where, "tapedeck-ca.crt")}):
        env = {**{k: v for k, v in p.env.items() if not k.startswith("TAPEDECK_")}, **more}
        equal(run(TAPEDECK, "ca", "export", env=env).stdout, r.stdout, f"ca export with {more}")
        run(TAPEDECK, "env", "--trust-dir", "trust", "--no-java", env=env, cwd=p.private)
        with open(os.path.join(p.private, "trust", "ca.pem"), "rb") as f:
            equal(f.read(), r.stdout, f"env with {more}")


def streams():
    need("bash")
    p = Place()
    data = os.urandom(1 << 20) * 12
    digest = hashlib.sha256(data).hexdigest()
    r = p.record("cat", input=data)
    equal(hashlib.sha256(r.stdout).hexdigest(), digest, "12 MiB through standard input and output")
    r = p.record("sh", "-c", "cat >&2", options=("--quiet",), input=data)
    equal(hashlib.sha256(r.stderr[:len(data)]).hexdigest(), digest, "12 MiB on standard error")
    r = p.record("sh", "-c", "exec <&-; echo closed", input=data)
    equal((r.returncode, r.stdout), (0, b"closed\n"), "a child that closes its input")
    # A reader that goes away: as without us.
    r = run("bash", "-c", f"{TAPEDECK} record -- yes | head -n1; echo ${{PIPESTATUS[0]}}", cwd=p.dir, env=p.env)
    equal(r.stdout, b"y\n141\n", "SIGPIPE")


CATCH = r"""
import os, signal, sys, time
def caught(n, _):
    os.write(1, b"%d\n" % n)
    if n == signal.SIGTERM:
        os._exit(42)
for n in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(n, caught)
print("up", flush=True)
while True:
    time.sleep(0.05)
"""


def start(p, *argv, options=(), **more):
    return spawn(TAPEDECK, "record", *options, "--", *argv, cwd=p.dir, env=p.env, **more)


def signals():
    p = Place()
    r = start(p, PYTHON, "-c", CATCH, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    equal(line(r.stdout), "up\n", "the child's first word")
    for n in (signal.SIGUSR1, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR2, signal.SIGTERM):
        r.send_signal(n)
        equal(int(line(r.stdout)), n, "the signal that came through")
    equal(r.wait(30), 42, "exit code")
    equal(r.stdout.read(), b"", "signals that came twice")
    r = start(p, "sleep", "1000", stderr=subprocess.DEVNULL)
    until("a ready recording", lambda: children(r.pid, "sleep"))
    r.send_signal(signal.SIGINT)
    equal(r.wait(30), 130, "exit code after SIGINT")
    # What COMMAND is to ignore ends nothing: nohup.
    r = start(p, "sleep", "0.2", stderr=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    while r.poll() is None:
        r.send_signal(signal.SIGHUP)
        time.sleep(0.002)
    equal(r.returncode, 0, "exit code where SIGHUP is ignored")
    equal(p.left(), [], "folders that stayed")
    # A keytool that hangs can be interrupted.
    java = os.path.join(p.private, "java")
    for name, text in (("bin/keytool", "#!/bin/sh\nexec sleep 1000\n"), ("lib/security/cacerts", "")):
        os.makedirs(os.path.dirname(os.path.join(java, name)))
        with open(os.path.join(java, name), "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(os.path.join(java, name), 0o755)
    p.env["JAVA_HOME"] = java
    r = start(p, "true", stderr=subprocess.DEVNULL, start_new_session=True)
    until("keytool", lambda: children(r.pid, "sleep"))
    os.killpg(r.pid, signal.SIGINT)
    equal(r.wait(20), 130, "exit code after SIGINT for a keytool that hangs")
    equal(p.left(), [], "folders that stayed")


def children(pid, name):
    """Children of pid of that name."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as f:
            text = f.read()
            fields = text[text.rindex(")") + 2:].split()
            if int(fields[1]) == pid and text[text.index("(") + 1:text.rindex(")")] == name and fields[0] != "Z":
                found.append(int(entry))
    return found


class Terminal:
    """A program with a terminal of its own."""

    def __init__(self, place, *argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(place.dir)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 1000, 0, 0))  # no line is broken, or scrolls
            os.execve(argv[0], argv, dict(place.env, TERM="dumb", PS1="ready> "))
        self.text = ""

    def wait_for(self, what, times=1):
        end = time.monotonic() + 30
        while self.text.count(what) < times:
            assert time.monotonic() < end, f"never came: {what}\nbut: {self.text}"
            if select.select([self.fd], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    self.text += os.read(self.fd, 65536).decode(errors="replace")

    def key(self, keys):
        os.write(self.fd, keys)

    def end(self):
        """Exit code."""
        end = time.monotonic() + 30
        while True:
            if select.select([self.fd], [], [], 0.02)[0]:
                with contextlib.suppress(OSError):
                    self.text += os.read(self.fd, 65536).decode(errors="replace")
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"it does not end: {self.text}")


COUNT = r"""
import os, signal, time
n = 0
def caught(*_):
    global n
    n += 1
    os.write(1, b"int %d.\n" % n)
    if n == 2:
        time.sleep(0.3)  # a third one would come now
        os._exit(3)
signal.signal(signal.SIGINT, caught)
os.write(1, b"up.\n")
while True:
    time.sleep(0.05)
"""


def keyboard(origin):
    p = Place()
    t = Terminal(p, TAPEDECK, "record", "--", "sleep", "1000")
    until("a ready recording", lambda: children(t.pid, "sleep"))
    t.key(b"\x03")
    equal(t.end(), 130, "exit code after Ctrl-C")
    assert NOTHING in t.text, t.text
    t = Terminal(p, TAPEDECK, "record", "--", PYTHON, "-c", COUNT)
    t.wait_for("up.")
    t.key(b"\x03")
    t.wait_for("int 1.")
    t.key(b"\x03")
    equal(t.end(), 3, "exit code of a child that takes two of them")
    equal(t.text.count("int "), 2, "each Ctrl-C reaches the child once")
    equal(p.left(), [], "folders that stayed")
    # COMMAND has ended, what it started holds a connection: Ctrl-C does not wait for it.
    p = Place()
    hold = (f"import os, socket, time\nu = os.environ['HTTP_PROXY'].rsplit(':', 1)\ns = socket.create_connection(('127.0.0.1', "
            f"int(u[1])))\ns.sendall(b'CONNECT localhost:{origin.port} HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')\ns.recv(100)\n"
            "if os.fork():\n    os._exit(5)\nos.setsid()\ns.recv(1)\n")
    t = Terminal(p, TAPEDECK, "record", "--sidecar", "drain-timeout=1h", "--", PYTHON, "-c", hold)
    t.wait_for("connections that are still open")
    t.key(b"\x03")
    equal(t.end(), 5, "exit code after Ctrl-C while it drains")
    equal(p.left(), [], "folders that stayed")


def job_control():
    need("bash")
    p = Place()
    t = Terminal(p, "/bin/bash", "--norc", "--noprofile", "-i")
    t.wait_for("ready> ")
    t.key(f"{TAPEDECK} record -- sh -c 'echo u''p; exec sleep 1000'\n".encode())
    t.wait_for("\nup")
    t.key(b"\x1a")
    t.wait_for("Stopped")
    t.key(b"fg\n")
    t.wait_for("ready> ", 2)
    t.wait_for("sleep 1000", 3)
    # The shell says so before it lets go of the terminal.
    until("the job in the foreground", lambda: os.tcgetpgrp(t.fd) != t.pid)
    t.key(b"\x03")
    t.wait_for(NOTHING)
    t.key(b"echo code $?.\n")
    t.wait_for("code 130.")
    t.key(b"exit 0\n")
    equal(t.end(), 0, "the shell's exit code")


def two_at_once(origin):
    p = Place()
    urls = [f"http://localhost:{origin.port}/load?id={2 * i + 2}&req=0&res=10" for i in range(6)]
    p.env["TAPEDECK_SPOOL_DIR"] = os.path.join(p.private, "spool")
    all_ = [start(p, "sh", "-c", f"sleep 0.3; curl -sS '{u}'", stdout=subprocess.PIPE, stderr=subprocess.PIPE) for u in urls]
    for r in all_:
        r.communicate(timeout=60)
        equal(r.returncode, 0, "exit code")
    names = p.captures()
    equal(len(names), len(urls), "captures")
    queries = [p.rows("SELECT query FROM http", n) for n in names]
    for q in queries:
        equal(len(q), 1, "transactions of one recording")
    equal(len({q[0] for q in queries}), len(urls), "different ones")
    assert not os.path.exists(p.env["TAPEDECK_SPOOL_DIR"]), "a journal that all have"
    equal(p.left(), [], "folders that stayed")


SERVE = r"""
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""


def inbound():
    p = Place()
    port = free_port()
    r = start(p, PYTHON, "-c", SERVE, port, options=("--app-port", port), stderr=subprocess.PIPE)
    m = None
    while not m:
        said = line(r.stderr)
        assert said, "it never said where it stands"
        m = re.search(r"(127\.0\.0\.1:\d+) stands before port (\d+)", said)
    equal(int(m.group(2)), port, said)
    until("the app", lambda: listening(port))
    equal(run("curl", "-sS", "--noproxy", "*", f"http://{m.group(1)}/in").stdout, b"ok", "the answer")
    r.terminate()
    err = r.communicate(timeout=60)[1].decode()
    equal(r.returncode, 143, "exit code")
    assert NOTHING not in err, err
    equal(p.rows("SELECT direction, path, status FROM http"), [("inbound", "/in", 200)], "rows")
    given = free_port()
    r = p.record("true", options=("--app-port", port, "--in-port", given))
    says(r, f"127.0.0.1:{given} stands before port {port}")


SERVE_TLS = SERVE.replace("http.server.HTTPServer((", "s = http.server.HTTPServer((").replace(").serve_forever()", r""")
import ssl
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.load_cert_chain(sys.argv[2], sys.argv[3])
s.socket = c.wrap_socket(s.socket, server_side=True)
s.serve_forever()""")


def decrypted(origin):
    """Clients that are told nothing but by the variables, of a server whose authority only the system knows."""
    if not shutil.which("openssl"):
        print("decrypted: passed over, there is no openssl")
        return
    p = Place()
    at = p.private
    p.env["SSL_CERT_FILE"] = ca = os.path.join(at, "their-ca.crt")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("openssl", "req", "-x509", *new, "-days", "2", "-subj", "/CN=theirs", "-keyout", "their-ca.key", "-out", ca,
        "-addext", "basicConstraints=critical,CA:TRUE", cwd=at)
    run("openssl", "req", *new, "-subj", "/CN=localhost", "-keyout", "s.key", "-out", "s.csr", cwd=at)
    with open(os.path.join(at, "names"), "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:localhost\n")
    run("openssl", "x509", "-req", "-in", "s.csr", "-CA", ca, "-CAkey", "their-ca.key", "-CAcreateserial", "-days", "2",
        "-out", "s.crt", "-extfile", "names", cwd=at)
    port = free_port()
    spawn(PYTHON, "-c", SERVE_TLS, port, os.path.join(at, "s.crt"), os.path.join(at, "s.key"), stderr=subprocess.DEVNULL)
    until("the server", lambda: listening(port))
    url = f"https://localhost:{port}/secret"
    clients = {
        "curl": ("curl", "-sS", url),
        "wget": ("wget", "-qO-", url),
        "python": (PYTHON, "-c", f"import urllib.request as u, sys; sys.stdout.buffer.write(u.urlopen('{url}').read())"),
    }
    for name, argv in clients.items():
        if not shutil.which(argv[0]):
            continue
        capture = name + ".db"
        r = p.record(*argv, options=("--capture", capture, "--sidecar", "upstream-ca=" + ca))
        equal((r.returncode, r.stdout), (0, b"ok"), f"{name}: {r.stderr}")
        equal(p.rows("SELECT method, path, status FROM http", capture), [("GET", "/secret", 200)], name)
    # One that trusts the other authority alone: it fails as it must; as a tunnel it works.
    own = ("curl", "-sS", "--cacert", ca, url)
    r = p.record("sh", "-c", 'curl -sS -o /dev/null "$1"; shift; exec "$@"', "sh",
                 f"http://localhost:{origin.port}/load?id=2&req=0&res=20", *own, options=("--sidecar", "upstream-ca=" + ca))
    equal(r.returncode, 60, "a client that does not trust us")
    says(r, "our certificate was refused")
    p.env["TAPEDECK_TLS_OUT"] = "true"
    r = p.record(*own, options=("--no-tls", "--capture", "opaque.db"))
    equal((r.returncode, r.stdout), (0, b"ok"), "with --no-tls")
    says(r, "TLS that was not decrypted")
    equal(p.left(), [], "folders that stayed")


def ended(pid):
    """Whether it is gone, or nobody reaps it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def killed():
    """What was started for a recording that is killed ends by itself."""
    p = Place()
    r = start(p, "sleep", "1000", stderr=subprocess.DEVNULL)
    sleep = until("a ready recording", lambda: children(r.pid, "sleep"))
    helper = until("the sidecar", lambda: children(r.pid, "tapedeck"))[0]
    halves = ("tapedeck-proxy", "tapedeck-record")
    until("its halves", lambda: all(children(helper, h) for h in halves))
    parts = [pid for h in halves for pid in children(helper, h)]
    r.kill()
    r.wait()
    for pid in [helper] + parts:
        until(f"the end of {pid}", lambda pid=pid: ended(pid))
    equal(p.left(), [], "folders that stayed")
    os.kill(sleep[0], signal.SIGKILL)


def proxy_killed():
    """The sidecar's proxy dies while its port is in use: that something is lost is told, and costs no exit code."""
    p = Place()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        r = start(p, "sh", "-c", f"curl -s -m 60 {url}; exit 3", stderr=subprocess.PIPE)
        silent.settimeout(60)
        with silent.accept()[0]:
            helper = children(r.pid, "tapedeck")[0]
            proxy = children(helper, "tapedeck-proxy")[0]
            os.kill(proxy, signal.SIGKILL)
            said = r.communicate(timeout=60)[1]
    equal(r.returncode, 3, "the exit code")
    assert b"warning: the sidecar's proxy died meanwhile" in said, said
    assert b"warning: not all of it is kept" in said, said


def main():
    need("curl")
    assert os.path.isdir(TESTS)
    origin = Origin()
    recorded(origin)
    rotated(origin)
    exit_codes()
    no_sidecar()
    nothing_came()
    surroundings()
    as_root(origin)
    authorities(origin)
    streams()
    signals()
    keyboard(origin)
    job_control()
    two_at_once(origin)
    inbound()
    decrypted(origin)
    killed()
    proxy_killed()
    print("record: fine")


main()
