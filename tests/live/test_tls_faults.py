"""Interception while things go wrong: proxy and recorder killed, a ring too small, a full disk. Whoever's connection lives sees
nothing of it; what clients counted as finished is in the capture once, or declared as lost; verify answers 0 or 1, never 2.

Argument: names of the cases to run (all). RATE: requests a second of all clients together (400).
"""
import collections
import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time

from authority import Authority
from harness import TAPEDECK, Sidecar, equal, folder, free_port, run, until
from tls_site import Client, Site, client_context

RATE = int(os.environ.get("RATE", "400"))
CLIENTS = 8
BLOB = 100_000


class Crowd:
    """Clients with a kept connection each, which is made anew from time to time, and when it breaks."""

    def __init__(self, s, site, retry):
        self.s, self.site, self.retry = s, site, retry
        self.port = s.outbound
        self.context = client_context(s.ours)
        self.finished, self.errors, self.broken = [], [], 0
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.next = 0
        self.threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]
        for t in self.threads:
            t.start()

    def _number(self):
        with self.lock:
            self.next += 1
            return self.next

    def _one(self, client, i):
        if i % 20 == 0:
            equal(client.get(f"/blob?id={i}"), (200, self.site.blob), "a large answer")
        else:
            equal(client.get(f"/say?id={i}"), (200, f"said {i} TLSv1.3\n".encode()), "an answer")
        self.finished.append(i)

    def _run(self):
        client, served = None, 0
        while not self.stopped.is_set():
            began = time.monotonic()
            try:
                if client is None or served == 50:
                    if client:
                        client.close()
                    client, served = Client(self.context, self.site.tls_port, through=self.port), 0
                self._one(client, self._number())
                served += 1
            except (OSError, ssl.SSLError) as e:
                client = None
                self.broken += 1
                if not self.retry:
                    self.errors.append(e)
                    return
                time.sleep(0.05)
            except AssertionError as e:  # another answer than the server's
                self.errors.append(e)
                return
            time.sleep(max(0, CLIENTS / RATE - (time.monotonic() - began)))
        if client:
            client.close()

    def end(self):
        self.stopped.set()
        for t in self.threads:
            t.join()
        equal(self.errors, [], "what clients saw")
        assert self.finished, "nothing was finished"
        return self.finished


class Case:
    def __init__(self, scene, *more, capture=None):
        where = folder()
        self.site = scene.site
        self.s = Sidecar("--proxy-type", "forward", "--proxy-protocol", "http", "--tls-out", "--tls-ca-dir",
                         where + "/ca", "--upstream-ca", scene.ca.cert, "--user", "0", "--drain-timeout", "5s",
                         "--log-level", "warn", "--proxy-out-port", free_port(), *(more or ("--spool-dir", where + "/spool", "--spool-size", "1GiB")),
                         where=where, capture=capture).start()
        self.s.ours = os.path.join(where, "ca", "tapedeck-ca.crt")
        self.finished = []

    def during(self, what, retry=False, before=1.0, after=1.0):
        crowd = Crowd(self.s, self.site, retry)
        time.sleep(before)
        what()
        time.sleep(after)
        self.finished += crowd.end()
        return crowd

    def recorded(self):
        return [int(re.search(r"id=(\d+)", q).group(1)) for (q,) in self.s.rows(
            "SELECT query FROM txn WHERE scheme = 'https' AND state = 'complete'")]

    def verdict(self):
        r = run(TAPEDECK, "verify", self.s.capture, check=False, timeout=300)
        text = r.stdout.decode() + r.stderr.decode()
        assert r.returncode in (0, 1), f"verify answered {r.returncode}:\n{text}\n{self.s.log_text()}"
        assert "the bytes of those are of the content" in text, text
        return r.returncode

    def check_all(self):
        until("an empty ring", lambda: self.s.metric("tapedeck_ring_used_bytes") == 0, 120)
        self.s.stop()
        times = collections.Counter(self.recorded())
        missing = sorted(set(self.finished) - set(times))
        assert not missing, f"{len(missing)} of {len(self.finished)} are missing, the first: {missing[:5]}"
        assert max(times.values()) == 1, "transactions are there twice"
        modes = self.s.rows("SELECT DISTINCT mode FROM handshakes ORDER BY mode")
        assert ("intercepted",) in modes, modes
        print(f"    {len(self.finished)} finished, all there; verify {self.verdict()}; modes {modes}", flush=True)


def recorder_killed(scene):
    c = Case(scene)

    def kill():
        for _ in range(3):
            with contextlib.suppress(ProcessLookupError):
                os.kill(c.s.wait_ready()["recorder"], signal.SIGKILL)
            time.sleep(1.5)

    c.during(kill)
    c.check_all()


def proxy_killed(scene):
    c = Case(scene)

    def kill():
        for _ in range(3):
            pid = c.s.wait_ready()["proxy"]
            os.killpg(pid, signal.SIGKILL)
            until("the proxy again", lambda old=pid: c.s.wait_ready()["proxy"] != old)
            time.sleep(1)

    crowd = c.during(kill, retry=True)
    assert crowd.broken, "no connection broke"
    c.check_all()


def everything_killed(scene):
    c = Case(scene)
    def kill():
        for _ in range(2):
            c.s.kill_all()
            c.s.start()
            time.sleep(1)

    crowd = c.during(kill, retry=True)
    assert crowd.broken, "no connection broke"
    c.check_all()


def loses(s):
    return s.metric("tapedeck_lost_transactions_total") >= 200


def stands(s):
    """Nothing is put into the ring any more."""
    before = s.metric("tapedeck_ring_used_bytes")
    time.sleep(2)
    return before > 500_000 and s.metric("tapedeck_ring_used_bytes") == before


def rest(s, enough):
    """The recorder stands still until there is enough."""
    os.kill(s.ready["recorder"], signal.SIGSTOP)
    try:
        until("a full ring", lambda: enough(s), 90)
    finally:
        os.kill(s.ready["recorder"], signal.SIGCONT)


def ring_full(scene):
    for how, enough in (("drop", loses), ("block", stands)):
        c = Case(scene, "--spool-size", "1MiB", "--on-full", how, "--workers", "1")
        c.during(lambda c=c, enough=enough: rest(c.s, enough))
        c.s.stop()
        rows = c.recorded()
        lost = c.s.one("SELECT coalesce(sum(transactions), 0) FROM loss")
        equal(len(set(rows)), len(rows), "transactions without their doubles")
        if how == "drop":
            equal(lost, len(c.finished) - len(rows), "the losses listed")
            equal(c.s.rows("SELECT DISTINCT cause FROM loss"), [("ring-full",)], "their cause")
        else:
            equal(sorted(rows), sorted(c.finished), "what is kept")
        equal(c.verdict(), 1 if how == "drop" else 0, "verify")
        print(f"    {how}: {len(c.finished)} finished, {len(rows)} kept, {lost} listed as lost", flush=True)


def disk_full(scene):
    """The capture's file system is full for a while."""
    mount = folder()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tapedeck", mount],
                                           capture_output=True, check=False).returncode != 0:
        print("    no file system of our own may be mounted here")
        return

    def fill():
        filler = os.path.join(mount, "filler")
        with open(filler, "wb") as f, contextlib.suppress(OSError):
            while True:
                f.write(bytes(1 << 20))
        time.sleep(5)
        os.unlink(filler)

    try:
        c = Case(scene, capture=os.path.join(mount, "capture.db"))
        c.during(fill)
        c.check_all()
    finally:
        run("umount", "--lazy", mount, check=False)  # where it failed, the sidecar is still there


CASES = (recorder_killed, proxy_killed, everything_killed, ring_full, disk_full)


class Scene:
    def __init__(self):
        self.ca = Authority()
        root = folder()
        blob = os.urandom(BLOB)
        with open(os.path.join(root, "blob"), "wb") as f:
            f.write(blob)
        self.site = Site(root, *self.ca.issue("site.test"))
        self.site.blob = blob


def main():
    scene = Scene()
    for case in CASES:
        if not sys.argv[1:] or case.__name__ in sys.argv[1:]:
            print(case.__name__, flush=True)
            case(scene)


main()
