"""Nothing lost, nothing doubled: a steady load while things go wrong on the recorder's side or with the proxy itself.

After each: every transaction that the client counted as finished is in the capture once, and verify answers 0. Where only the
recorder suffers, the workload sees no error. Argument: names of the cases to run (all).
"""
import contextlib
import os
import signal
import subprocess
import sys
import time

from harness import (Origin, Sidecar, check_all_recorded, folder, ids_of, load_begin, load_end, run, stop, until)

RATE = int(os.environ.get("RATE", "2000"))
SECONDS = int(os.environ.get("SECONDS", "0"))
CONNECTIONS = 64


class Case:
    def __init__(self, origin, seconds, capture=None):
        self.origin, self.seconds = origin, SECONDS or seconds
        where = folder()
        self.s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1",
                         "--proxy-port", origin.port, "--in-bind", "127.0.0.1", "--spool-dir", os.path.join(where, "spool"),
                         "--spool-size", "1GiB", "--drain-timeout", "5s", "--log-level", "warn",
                         where=where, capture=capture)
        self.ids = []
        self.next_id = 2

    def begin(self, retry=False, seconds=None):
        path = os.path.join(self.s.dir, f"ids{len(self.ids)}")
        self.ids.append(path)
        seconds = seconds or self.seconds
        p = load_begin(self.s.inbound, RATE, seconds, CONNECTIONS, self.next_id, "--ids", path,
                       *(["--retry"] if retry else []))
        self.next_id += 2 * (RATE * seconds + 10000)
        return p

    def check(self):
        finished = [i for path in self.ids for i in ids_of(path)]
        # What is unsent when the drain's time is over waits in the ring for the next start.
        until("an empty ring", lambda: self.s.metric("tapedeck_ring_used_bytes") == 0, 120)
        self.s.stop()
        check_all_recorded(self.s, finished)
        print("   ", self.s.verify().strip().splitlines()[0], f"({len(finished)} finished by the client)")

    def recorder_pid(self):
        return self.s.wait_ready()["recorder"]


def undisturbed(origin):
    c = Case(origin, 10)
    c.s.start()
    figures = load_end(c.begin())
    c.check()
    return figures


def recorder_killed(origin):
    c = Case(origin, 10)
    c.s.start()
    p = c.begin()
    for _ in range(3):
        time.sleep(c.seconds / 4)
        with contextlib.suppress(ProcessLookupError):
            os.kill(c.recorder_pid(), signal.SIGKILL)
    figures = load_end(p)
    c.check()
    return figures


def proxy_killed(origin):
    c = Case(origin, 12)
    c.s.start()
    p = c.begin(retry=True)
    for _ in range(3):
        time.sleep(c.seconds / 4)
        pid = c.s.wait_ready()["proxy"]
        os.killpg(pid, signal.SIGKILL)
        until("the proxy again", lambda old=pid: c.s.wait_ready()["proxy"] != old)
    load_end(p, check=False)
    c.check()


def recorder_stopped(origin):
    c = Case(origin, 26)
    c.s.start()
    p = c.begin()
    time.sleep(3)
    pid = c.recorder_pid()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(min(20, c.seconds - 5))
    os.kill(pid, signal.SIGCONT)
    figures = load_end(p)
    c.check()
    return figures


def recorder_absent(origin):
    """The recorder's program is not there for the first thirty seconds."""
    c = Case(origin, 34)
    from harness import BIN, TAPEDECK
    import harness
    bin_dir = os.path.join(c.s.dir, "bin")
    os.mkdir(bin_dir)
    for name in ("tapedeck", "tapedeck-proxy"):
        run("cp", os.path.join(BIN, name), bin_dir)
    late = os.path.join(bin_dir, "tapedeck-recorder")
    with open(late, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\nexit 1\n")
    os.chmod(late, 0o755)
    harness.TAPEDECK = os.path.join(bin_dir, "tapedeck")
    try:
        c.s.start()
        p = c.begin()
        time.sleep(min(30, c.seconds - 2))
        run("cp", os.path.join(BIN, "tapedeck-recorder"), late + ".new")
        os.rename(late + ".new", late)
        figures = load_end(p)
        until("the recorder", lambda: c.s.metric("tapedeck_recorder_connections") >= 1, 30)
    finally:
        harness.TAPEDECK = TAPEDECK
    c.check()
    return figures


def disk_full(origin):
    """The capture's file system is full for a while."""
    mount = folder()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tapedeck", mount],
                                           capture_output=True, check=False).returncode != 0:
        print("   no file system of our own may be mounted here")
        return None
    try:
        c = Case(origin, 20, capture=os.path.join(mount, "capture.db"))
        c.s.start()
        p = c.begin()
        time.sleep(4)
        filler = os.path.join(mount, "filler")
        with open(filler, "wb") as f, contextlib.suppress(OSError):
            while True:
                f.write(bytes(1 << 20))
        time.sleep(6)
        os.unlink(filler)
        figures = load_end(p)
        c.check()
        return figures
    finally:
        run("umount", "--lazy", mount, check=False)  # where it failed, the sidecar is still there


def everything_restarted(origin):
    c = Case(origin, 6)
    c.s.start()
    port = c.s.inbound
    for _ in range(3):
        p = c.begin(retry=True, seconds=6)
        time.sleep(3)
        c.s.stop()
        c.s.options += ["--proxy-in-port", str(port)]
        c.s.start()
        load_end(p, check=False)
    c.check()


def everything_killed(origin):
    c = Case(origin, 6)
    c.s.start()
    port = c.s.inbound
    for _ in range(3):
        p = c.begin(retry=True, seconds=6)
        time.sleep(3)
        c.s.wait_ready()
        c.s.kill_all()
        c.s.options += ["--proxy-in-port", str(port)]
        c.s.start()
        load_end(p, check=False)
    c.check()


CASES = (undisturbed, recorder_killed, proxy_killed, recorder_stopped, recorder_absent, disk_full, everything_restarted,
         everything_killed)


def main():
    origin = Origin()
    calm = None
    for case in CASES:
        if sys.argv[1:] and case.__name__ not in sys.argv[1:]:
            continue
        figures = case(origin)
        print(case.__name__, figures or "", flush=True)
        if case is undisturbed:
            calm = figures
        elif figures and calm:
            print(f"    p99 is {figures['p99_us'] / calm['p99_us']:.2f} of the undisturbed run's")
    stop(origin.process, signal.SIGKILL)


main()
