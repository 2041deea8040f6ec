"""Runs of the benchmark that starts the peers: who takes part, and what is added to its copy."""
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BENCH, OUT, BIN = (os.environ[n] for n in ("BENCH_DIR", "BENCH_OUT", "TAPEDECK_BIN"))
COPY = os.path.join(OUT, "bench")
REPS = int(os.environ.get("REPS", "5"))
CONNECTIONS = [1, 64, 1000, 5000]

# Ours, by what is counted: all of it; the proxy alone; 4 KiB of a body kept; waiting for the
# recorder where it cannot follow; a recorder that forgets; the file packed when all is over;
# interception behind a port that stands for the server. And the peer of most bars.
OURS, PROXY, SHORT, BLOCK = "tapedeck", "tapedeck-proxy", "tapedeck-4k", "tapedeck-block"
NULL, PACKED, MAPPED = "tapedeck-null", "tapedeck-packed", "tapedeck-map"
PEER = "haproxy-http"
FORWARD = ["squid", "tinyproxy", "3proxy"]
TUNNEL = ["haproxy-tcp", "danted", "microsocks", "3proxy"]
INTERCEPT = ["squid-bump", "mitmdump-w"]
BEHIND_PORT = ["sslsplit-S-raw", "sslsplit-S", "mitmdump-w"]

# Runs by their names: who takes part. REPS rounds, forwards and backwards in turn.
RUNS = {
    "W1": [PEER, OURS, PROXY, NULL, "mitmdump-w", "direct"],
    "W2": [PEER, OURS, PROXY, NULL],
    "W2-new": [PEER, OURS, PROXY, NULL],
    "W3": [PEER, OURS, SHORT, PROXY],
    "W4": [PEER, BLOCK, SHORT, PROXY],
    "W5": [PEER, OURS, PROXY],
    "W6": [OURS, PROXY, *FORWARD],
    "W7-down": [SHORT, BLOCK, *TUNNEL],
    "W7-up": [SHORT, BLOCK, *TUNNEL],
    "W7-conn": [OURS, *TUNNEL],
    "W10-2000": ["direct", PEER, OURS],
    "W8-tls": [PEER, OURS, PROXY, MAPPED, *BEHIND_PORT],
    "W8-tls-hs": [MAPPED, *BEHIND_PORT],
    "W8-mitm": [OURS, *INTERCEPT],
    "W8-mitm-hs": [OURS, *INTERCEPT],
    "W8-mint": [OURS, *INTERCEPT],
    "W11": [PEER, OURS],
    "W11-mitm": [OURS],
    "REC": [OURS, PACKED, "mitmdump-w"],
    "REC-new": [OURS, PACKED, "mitmdump-w"],
    "REC-close": [OURS],
} | {f"C{n}": [OURS, PROXY, PEER] for n in CONNECTIONS}
KIND = {"W6": "fwd", "REC": "rev", "REC-close": "rev", "REC-new": "rev", "W11": "rev", "W8-tls": "tls", "W8-tls-hs": "tls"}  # others: all that a run has

RATED = " ".join(run for run in RUNS if not run.startswith(("REC", "W11")))

# What the benchmark does not have: text of its program, what stands there instead, the runs that need it.
JSON_ROW = '{{"id":"$request_id","name":"a transaction","tags":["alpha","beta"],"value":3.14}}'
JSON_NEW = "[" + ",".join([JSON_ROW] * 10) + ',""]'  # 1,024 bytes
PATCHES = [
    ("    location = /post {{",
     f"    location = /json1k-new {{{{ return 200 '{JSON_NEW}'; }}}}\n    location = /post {{{{", "W2-new REC-new"),
    ("ROWS = {\n",
     'ROWS = {\n    "W2-new": ("HTTP/1.1 keep-alive, 64 connections, 1 KiB JSON, all different, reverse", ["rev"],'
     ' r_wrk("/json1k-new")),\n    "REC-new": ("recorders: 20,000 transactions of 1 KiB JSON, all different, keep-alive:'
     ' all recorded?", ["rev"], None),\n'
     + "".join(f'    "C{n}": ("HTTP/1.1 keep-alive, {n} connections, 200 B body, reverse", ["rev"],'
               f' r_wrk("/small", {n})),\n' for n in CONNECTIONS)
     + '    "W11-mitm": ("memory of idle intercepted connections, after one request each", ["mitm"], None),\n',
     "W2-new REC-new W11-mitm " + " ".join(f"C{n}" for n in CONNECTIONS)),
    ('{"W11": row_mem,', '{"W11": row_mem, "W11-mitm": row_mem,', "W11-mitm"),
    ('o = ["--path", "/json1k", "--drain"',
     'o = ["--path", "/json1k-new" if row == "REC-new" else "/json1k", "--drain"', "REC-new"),
    ('"REC": row_rec,', '"REC": row_rec, "REC-new": row_rec,', "REC-new"),
    # Not only what is called REC must have recorded everything, warming up included. What was in
    # flight at the end is a transaction, too, but none that the generator counts.
    ("def row_rate(s, kind, row):\n    fn = ROWS[row][2]\n", '''def proved(s, kind, d, sent):
    if s.name.startswith("tapedeck") and "rec" in s.kinds():
        stop(s.pids, s.sig, 60)
        s.pids = []
        d.update(json.loads(s.call("recorded", kind, timeout=900).stdout))
        d["rec_missing"] = max(0, sum(sent) - d["rec_transactions"])
    return d


def row_rate(s, kind, row):
    sent = []
    def fn(s, kind, secs):
        d = ROWS[row][2](s, kind, secs)
        sent.append(d.get("requests") or d.get("opened") or 0)
        return d
''', RATED),
    # Where connections are counted, a longer run less a shorter one is what a request costs: opening
    # and closing them is in neither.
    ("        return measured(s, kind, fn, SECS)\n", '''        d = measured(s, kind, fn, SECS)
        if row[0] == "C":
            short, d = d, measured(s, kind, fn, 3 * SECS)
            us, ops = (d[k] - short[k] for k in ("proxy_cpu_s", "ops"))
            d["proxy_us"] = 1e6 * us / ops if ops > 0 else None
        return proved(s, kind, d, sent)
''', RATED),
    ('        d["ops"] = d["held"]\n        return d\n',
     '        d["ops"] = d["held"]\n        return proved(s, kind, d, [d["held"]])\n', "W11 W11-mitm"),
    ('for y in ("rate", ', 'for y in ("rec_missing", "rec_verify", "errors", "rate", ', " ".join(RUNS)),
]


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def prepare():
    """Makes the benchmark's copy, with our subjects; the runs that cannot be added to it."""
    os.makedirs(OUT, exist_ok=True)
    shutil.copytree(BENCH, COPY, dirs_exist_ok=True, copy_function=shutil.copyfile,
                    ignore=shutil.ignore_patterns("results", "build", "__pycache__"))
    for name in os.listdir(os.path.join(HERE, "subjects")):
        shutil.copyfile(os.path.join(HERE, "subjects", name), os.path.join(COPY, "subjects", name))
    path, without = os.path.join(COPY, "lib", "bench.py"), set()
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for old, new, runs in PATCHES:
        if text.count(old) == 1:
            text = text.replace(old, new)
        else:
            say("the benchmark has changed; no place for: " + new.strip().split("\n", 1)[0][:60])
            without |= set(runs.split())
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    subprocess.run(["make", "-s", "-C", os.path.join(COPY, "tools"), "all"], check=True, stdout=sys.stderr)
    return without


def ends_with_us():
    """In a child: SIGTERM when we go, whatever ended us."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)


def run_peers(run, without, results):
    """Adds what the run's subjects reached to results: a dictionary each."""
    if run in without:
        say(f"{run}: the benchmark has changed, and has no place for it any more")
        return
    kind = ["--kind", KIND[run]] if run in KIND else []
    # A session of its own: the terminal's signals come to us alone, and one goes on to it, after
    # which it ends what it started and removes what it made.
    with subprocess.Popen([sys.executable, os.path.join(COPY, "lib", "bench.py"), *kind, run, *RUNS[run]],
                          stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=ends_with_us) as p:
        try:
            out, _ = p.communicate()
        except BaseException:
            p.terminate()
            p.stdout.close()
            p.wait(120)
            raise
    if p.returncode:
        say(f"{run}: the benchmark failed: exit code {p.returncode}")
    for line in out.splitlines():
        try:
            d = json.loads(line)
        except ValueError:
            continue
        results.append(dict(d, row=run, secs=float(os.environ.get("SECS", "3"))))
