"""Runs that need no peer: the recorder by itself, the memory of programs that nobody has used."""
import json
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time

from peers import BIN, OURS, OUT, REPS, say
from rows import LOADED, SIZES, Missing, version

LOAD = os.environ["BENCH_LOAD"]
RECORDS = int(os.environ.get("BENCH_RECORDS", "200000"))  # of a sample of the recorder alone
SAMPLE = RECORDS // 10  # of one at a size of the capture


def status(pid, key):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next((int(v.split()[0]) for k, v in (line.split(":", 1) for line in f) if k == key), 0)


def cpu_us(pid):
    """Microseconds that the threads of a process have run; ours never end before it."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="utf-8") as f:
            total += int(f.read().split()[0])
    return total / 1000


class Program:
    """One of ours in a folder of its own, until the end of the block."""

    def __init__(self, name, *options):
        self.folder = tempfile.mkdtemp(dir=OUT)
        self.process = None
        try:
            self.process = subprocess.Popen([os.path.join(BIN, name), *options, "--capture", "c.db", "--ready-file", "ready",
                                             "--log-level", "error"], cwd=self.folder)
            for _ in range(400):
                if os.path.exists(os.path.join(self.folder, "ready")):
                    return
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
            raise Missing(f"{name} does not start")
        except BaseException:
            self.__exit__()
            raise

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Recorder(Program):
    def __init__(self):
        super().__init__("tapedeck-recorder", "--listen", "unix:s")
        self.streams = self.sent = 0

    def load(self, count):
        """Sends so many transactions: how many a second, CPU us of the recorder each."""
        self.streams += 1
        self.sent += count
        begin = cpu_us(self.process.pid)
        r = subprocess.run([LOAD, "s", str(count), str(self.streams)], cwd=self.folder, check=True, stdout=subprocess.PIPE)
        d = json.loads(r.stdout)
        return dict(rate=d["records"] / d["seconds"], proxy_us=(cpu_us(self.process.pid) - begin) / d["records"])

    def prove(self):
        """Ends it: is everything there?"""
        self.stop()
        capture = os.path.join(self.folder, "c.db")
        code = subprocess.run([os.path.join(BIN, "tapedeck"), "verify", capture], stdout=subprocess.DEVNULL).returncode
        db = sqlite3.connect(f"file:{capture}?mode=ro", uri=True)
        count = db.execute("SELECT count(*) FROM txn").fetchone()[0]
        db.close()
        return dict(rec_verify=code, rec_missing=self.sent - count, rec_bytes_per_tx=os.path.getsize(capture) / max(1, count))


def summary(row, subject, what, samples):
    """Medians and extremes of samples with the same keys."""
    out = dict(row=row, subject=subject, kind="", what=what, version=version(), reps=len(samples), time=time.strftime("%Y-%m-%dT%H:%M:%S"))
    for key in samples[0]:
        values = [s[key] for s in samples]
        out[key] = round(statistics.median(values), 3)
        out[key + "_min"], out[key + "_max"] = round(min(values), 3), round(max(values), 3)
    return out


def run_recorder(results):
    samples = []
    for rep in range(REPS):
        with Recorder() as r:
            d = r.load(RECORDS) | r.prove()
        samples.append(d)
        say(f"recorder rep {rep + 1}/{REPS}: {d['rate']:,.0f}/s, {d['proxy_us']:.1f} us, missing {d['rec_missing']}, verify {d['rec_verify']}")
    results.append(summary("recorder", LOADED, f"{RECORDS:,} transactions with 1 KiB bodies through the socket into SQLite", samples))


def run_rows(results):
    for size in SIZES:
        samples, reps = [], REPS
        while len(samples) < reps:
            # In a large capture a sample more is hardly another size.
            many = reps if size >= 10 * SAMPLE else 1
            with Recorder() as r:
                say(f"rows: {size:,} are put before")
                r.load(size)
                these = [r.load(SAMPLE) for _ in range(many)]
                proof = r.prove()
            samples += [d | proof for d in these]
            say(f"rows {size:,}: {len(samples)}/{reps}: {', '.join(format(d['proxy_us'], '.1f') for d in these)} us, verify {proof['rec_verify']}")
        results.append(summary(f"rows-{size}", LOADED, f"{SAMPLE:,} transactions into a capture of {size:,}", samples))


def idle_sample():
    options = "run --proxy-type reverse --proxy-protocol http --proxy-port 9 --proxy-in-port 0 --in-bind 127.0.0.1 --admin-listen 127.0.0.1:0"
    with Program("tapedeck", *options.split()) as p:
        time.sleep(1)
        d = dict(rss_kib=0, pss_kib=0)
        for pid in (n for n in os.listdir("/proc") if n.isdigit()):
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
                    comm = f.read().strip()
                if status(pid, "PPid") != p.process.pid or not comm.startswith("tapedeck-"):
                    continue
                rss = status(pid, "VmRSS")
                with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
                    d["pss_kib"] += int(re.search(r"^Pss: +(\d+)", f.read(), re.M).group(1))
            except OSError:
                continue
            d["rss_kib"] += rss
            d[comm.replace("tapedeck-", "") + "_kib"] = rss
        if "proxy_kib" not in d:
            raise Missing("the proxy is not to be found")
        return d


def run_idle(results):
    samples = [idle_sample() for _ in range(REPS)]
    say(f"idle: {', '.join(format(d['rss_kib'], ',') for d in samples)} KiB")
    results.append(summary("idle", OURS, "resident memory of proxy and recorder that nobody has used", samples))


ALONE = {"recorder": run_recorder, "rows": run_rows, "idle": run_idle}
