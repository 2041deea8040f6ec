"""The rows: what they run, which bars must hold, and the tables of what came out."""
import os
import platform
import re
import subprocess
import time

from peers import (BEHIND_PORT, BIN, BLOCK, CONNECTIONS, FORWARD, INTERCEPT, MAPPED, OURS, PACKED, PEER, PROXY, ROOT, SHORT,
                   TUNNEL)

SIZES = [int(n) for n in os.environ.get("BENCH_ROWS", "1000 1000000").split()]
LOADED = "tapedeck-recorder"  # by alone.py
README = os.path.join(ROOT, "README.md")


class Missing(Exception):
    """What a bar needs is not here."""


# ---- bars

class Results:
    def __init__(self, lines):
        self.doubts = []  # that nobody has asked for yet
        self.of = {}
        for d in lines:
            self.of.setdefault((d["row"], d["subject"]), []).append(d)

    def get(self, run, subject, key, kind=None):
        """A figure. What was not recorded whole is told, as a doubt: it is no figure to be proud of."""
        for d in self.of.get((run, subject), []):
            if kind not in (None, d.get("kind")):
                continue
            if d.get("failed"):
                raise Missing(f"{subject} failed: {str(d['failed'][0])[:80]}")
            if d.get(key) is None:
                raise Missing(f"{run}: {subject} has no {key}")
            missing, code = (d.get("rec_" + what + "_max", 0) for what in ("missing", "verify"))
            if subject.startswith("tapedeck") and not key.startswith("rec_") and (missing or code):
                self.doubts.append(f"{subject} did not record everything: {missing:,.0f} missing, verify {code:.0f}")
            return d[key]
        raise Missing(f"no {subject} here" if not subject.startswith("tapedeck") else f"{run} was not run")

    def best(self, run, subjects, key, kinds, choose):
        found = []
        for s in subjects:
            for k in kinds:
                try:
                    found.append((self.get(run, s, key, k), s))
                except Missing:
                    pass
        if not found:
            raise Missing(f"none of {', '.join(subjects)} here")
        return choose(found)


def ratio(run, key, mine, peer, kind=None):
    def f(r):
        a, b = r.get(run, mine, key, kind), r.get(run, peer, key, kind)
        if not b:
            raise Missing(f"{peer}: nothing was measured")
        return a / b, f"{a:,.1f} / {b:,.1f}"
    return f


def to_best(run, key, peers, kind, choose, mine=OURS):
    """Peers that cannot speak the kind count by what they do as a plain relay."""
    def f(r):
        a = r.get(run, mine, key, kind)
        b, who = r.best(run, peers, key, (kind, "tcp"), choose)
        return a / b, f"{a:,.1f} / {b:,.1f} ({who})"
    return f


def added(key):
    def f(r):
        base, a, b = (r.get("W10-2000", s, key) for s in ("direct", OURS, PEER))
        if b <= base:
            raise Missing(f"{PEER} adds nothing that could be measured")
        return (a - base) / (b - base), f"+{a - base:,.0f} / +{b - base:,.0f} us"
    return f


def own(run, subject, key, scale=1.0, unit=""):
    def f(r):
        v = r.get(run, subject, key) * scale
        return v, f"{v:,.1f} {unit}".strip()
    return f


def per_connection(r):
    a, b = r.get("W11", OURS, "kib_per_conn"), r.get("W11", PEER, "kib_per_conn")
    return a, f"{a:,.2f} KiB ({PEER} {b:,.2f})"


def spread(runs, subject, peer=None):
    """The dearest over the cheapest."""
    def f(r):
        v = [r.get(run, subject, "proxy_us") for run in runs]
        how = ", ".join(f"{x:,.1f}" for x in v) + " µs"
        try:
            how += f" ({peer} {', '.join(format(r.get(run, peer, 'proxy_us'), ',.1f') for run in runs)})" if peer else ""
        except Missing:
            pass
        return max(v) / min(v), how
    return f


def packed(run):
    def f(r):
        value, how = ratio(run, "rec_bytes_per_tx", PACKED, "mitmdump-w")(r)
        return value, how + (", packed" if r.get(run, PACKED, "rec_packed") else ", sealed but not packed")
    return f


def complete(run):
    def f(r):
        missing, code = max(abs(r.get(run, OURS, "rec_missing_" + m)) for m in ("min", "max")), r.get(run, OURS, "rec_verify_max")
        return missing + code, f"{missing:,.0f} missing, verify {code:.0f}"
    return f


# Row: its runs, and its bars: what is measured, how, at most or at least what.
ROWS = {
    "small": (["W1"], [
        ("proxy CPU a request ÷ haproxy http", ratio("W1", "proxy_us", PROXY, PEER), "<=", 1.0),
        ("proxy + recorder CPU ÷ haproxy http", ratio("W1", "proxy_us", OURS, PEER), "<=", 1.5),
        ("requests/s ÷ haproxy http", ratio("W1", "rate", OURS, PEER), ">=", 0.8),
        ("proxy + recorder CPU ÷ mitmdump -w", ratio("W1", "proxy_us", OURS, "mitmdump-w"), "<=", 1 / 40)]),
    "json": (["W2-new", "W2"], [
        ("1 KiB JSON, all different: proxy + recorder CPU ÷ haproxy http", ratio("W2-new", "proxy_us", OURS, PEER), "<=", 2.0)]),
    "100k": (["W3"], [
        ("MB/s ÷ haproxy http, recorded whole", ratio("W3", "MBps", OURS, PEER), ">=", 0.6),
        ("MB/s ÷ haproxy http, --max-body 4k", ratio("W3", "MBps", SHORT, PEER), ">=", 0.95)]),
    "10m": (["W4"], [
        ("MB/s ÷ haproxy http, recorded whole, --on-full block", ratio("W4", "MBps", BLOCK, PEER), ">=", 0.5),
        ("MB/s ÷ haproxy http, --max-body 4k", ratio("W4", "MBps", SHORT, PEER), ">=", 0.95)]),
    "close": (["W5"], [("a connection a request: requests/s ÷ haproxy http", ratio("W5", "rate", OURS, PEER), ">=", 0.85)]),
    "forward": (["W6"], [
        ("absolute-form: proxy + recorder CPU ÷ the best forward proxy",
         to_best("W6", "proxy_us", FORWARD, "fwd", min), "<=", 0.4)]),
    "tunnel": (["W7-down", "W7-up", "W7-conn"], [
        (f"{kind}: {what} ÷ the best relay", to_best(run, "rate", TUNNEL, kind, max, mine), ">=", 0.9)
        for kind in ("connect", "socks5")
        for run, mine, what in (("W7-down", SHORT, "MB/s to the client, --max-body 4k"),
                                ("W7-up", SHORT, "MB/s from the client, --max-body 4k"),
                                ("W7-conn", OURS, "connections/s"))] + [
        ("as a plain relay: connections/s ÷ haproxy tcp", ratio("W7-conn", "rate", OURS, "haproxy-tcp", "tcp"), ">=", 0.9)]),
    "tls": (["W8-tls"], [
        ("TLS in, TLS out: proxy + recorder CPU a request ÷ haproxy http", ratio("W8-tls", "proxy_us", OURS, PEER), "<=", 1.4)]),
    "intercept": (["W8-mitm", "W8-mitm-hs", "W8-mint"], [
        ("kept connections: requests/s ÷ the best that intercepts", to_best("W8-mitm", "rate", INTERCEPT, "mitm", max), ">=", 1.5),
        ("kept connections: CPU a request ÷ the best that intercepts", to_best("W8-mitm", "proxy_us", INTERCEPT, "mitm", min), "<=", 1),
        ("new connections/s ÷ the best that intercepts", to_best("W8-mitm-hs", "rate", INTERCEPT, "mitm", max), ">=", 1.5),
        ("the same, each to another name", to_best("W8-mint", "rate", INTERCEPT, "mitm", max), ">=", 1.5)]),
    "intercept-port": (["W8-tls", "W8-tls-hs"], [
        ("behind --map, kept: requests/s ÷ the best that intercepts so", to_best("W8-tls", "rate", BEHIND_PORT, "tls", max, MAPPED), ">=", 1.5),
        ("the same: CPU a request ÷ theirs", to_best("W8-tls", "proxy_us", BEHIND_PORT, "tls", min, MAPPED), "<=", 1),
        ("behind --map, new connections/s ÷ theirs", to_best("W8-tls-hs", "rate", BEHIND_PORT, "tls", max, MAPPED), ">=", 1.5)]),
    "latency": (["W10-2000"], [
        ("added at 2,000 requests/s, p50 ÷ haproxy http's", added("p50_us"), "<=", 1.2),
        ("added at 2,000 requests/s, p99 ÷ haproxy http's", added("p99_us"), "<=", 1.2)]),
    "idle": (["idle"], [("RSS of proxy + recorder, MiB", own("idle", OURS, "rss_kib", 1 / 1024, "MiB"), "<=", 16)]),
    "idle-connections": (["W11"], [("memory of an idle connection, KiB", per_connection, "<=", 2.5)]),
    "idle-intercepted": (["W11-mitm"], [
        ("memory of an idle intercepted connection", own("W11-mitm", OURS, "kib_per_conn", 1, "KiB"), "<=", 45)]),
    "recorder": (["recorder"], [
        ("transactions/s alone, 1 KiB bodies, a full sync a batch", own("recorder", LOADED, "rate"), ">=", 40000)]),
    "disk": (["REC", "REC-new"], [
        ("bytes a transaction, 1 KiB JSON, always the same ÷ mitmdump -w", packed("REC"), "<=", 1 / 6),
        ("bytes a transaction, 1 KiB JSON, all different ÷ mitmdump -w", packed("REC-new"), "<=", 1 / 6)]),
    "complete": (["REC", "REC-new", "REC-close"], [
        ("transactions missing + verify, keep-alive", complete("REC"), "<=", 0),
        ("the same, all different", complete("REC-new"), "<=", 0),
        ("the same, a connection a request", complete("REC-close"), "<=", 0)]),
    "connections": ([f"C{n}" for n in CONNECTIONS], [
        ("proxy + recorder CPU a request at " + ", ".join(f"{n:,}" for n in CONNECTIONS) + " connections, dearest ÷ cheapest",
         spread([f"C{n}" for n in CONNECTIONS], OURS, PEER), "<=", 1.25)]),
    "rows": (["rows"], [
        ("recorder CPU a record at " + ", ".join(f"{n:,}" for n in SIZES) + " rows, dearest ÷ cheapest",
         spread([f"rows-{n}" for n in SIZES], LOADED), "<=", 1.25)]),
}


# ---- the tables

def version():
    return subprocess.run([os.path.join(BIN, "tapedeck"), "version"], stdout=subprocess.PIPE, text=True).stdout.split("\n")[0]


def bare(text):
    """A program's version without what follows it there."""
    return " ".join(re.split(r"\.? +Copyright| +\d{4}/\d\d/\d\d| - http", text)[0].split())


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())


def commit():
    r = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return r.stdout.strip()


def bar_line(name, what, compute, relation, bar, r):
    r.doubts.clear()
    limit = ("≤ " if relation == "<=" else "≥ ") + (f"{bar:,.0f}" if bar >= 1000 else f"{bar:.3g}")
    try:
        value, how = compute(r)
    except Missing as e:
        return f"| {name} | {what} | | | {limit} | {e} |"
    holds = "yes" if (value <= bar if relation == "<=" else value >= bar) and not r.doubts else "**no**"
    holds += "".join(": " + doubt for doubt in dict.fromkeys(r.doubts))
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
    return f"| {name} | {what} | {how} | {shown} | {limit} | {holds} |"


def some(values):
    return " to ".join(dict.fromkeys((values[0], values[-1]))) if values else "?"


def conditions(lines):
    """One paragraph: when, where, with what."""
    days = sorted({d["time"][:10] for d in lines})
    reps = sorted({str(d["reps"]) for d in lines if d.get("reps")}, key=int)
    ours = sorted({f"{d['version']} ({d.get('commit') or '?'})" for d in lines if d["subject"].startswith("tapedeck") and d.get("version")})
    peers = sorted({f"{d['subject']}: {bare(d['version'])}" for d in lines if d.get("version") and not d["subject"].startswith(("tapedeck", "direct"))})
    return (f"Measured {some(days)} on {cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}; {', '.join(ours) or version()}. "
            f"Load generator, origin and proxy share the machine; medians of {some(reps)} interleaved runs, each verified. "
            + ("Peers: " + "; ".join(peers) + "." if peers else "No peers."))


def tables(rows, lines):
    """The bars of these rows; all samples."""
    r = Results(lines)
    bars = [conditions(lines), "", "| row | measure | ours / theirs | result | at most / at least | holds |", "|---|---|---:|---:|---:|---|"]
    for name in rows:
        bars += [bar_line(name, *bar, r) for bar in ROWS[name][1]]
    out = ["| run | subject | kind | a second (min–max) | CPU µs each | p50 / p99 µs | MB/s | RSS MiB | errors | missing | verify | failed |",
           "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for d in lines:
        def g(key):
            return d.get(key) or 0
        memory = max(g("hwm_kib"), g("rss_kib")) / 1024
        took = f"{g('p50_us'):,.0f} / {g('p99_us'):,.0f}" if g("p50_us") > 0 else ""
        proof = " | ".join(f"{d[key]:,.0f}" if key in d else "" for key in ("rec_missing_max", "rec_verify_max"))
        out.append(f"| {d['row']} | {d['subject']} | {d.get('kind', '')} | {g('rate'):,.0f} ({g('rate_min'):,.0f}–{g('rate_max'):,.0f}) | "
                   f"{g('proxy_us'):,.1f} | {took} | {g('MBps'):,.0f} | {memory:,.1f} | {g('errors'):,.0f} | "
                   f"{proof} | {len(d.get('failed', ''))} |")
    return "\n".join(bars) + "\n", "\n".join(out) + "\n"


ABOUT = """## What it costs

Beside other proxies that are given the same work, in one run on one machine. CPU is that of all our processes, unless the row says
"proxy"; what was not recorded whole and verified does not hold.

"""


def publish(bars):
    """Puts the bars into the README, between its two marks."""
    with open(README, encoding="utf-8") as f:
        text = f.read()
    text, n = re.subn(r"(<!-- bench: .*? -->\n).*?(<!-- end of bench -->)", lambda m: m[1] + ABOUT + bars + m[2], text, count=1, flags=re.S)
    if n != 1:
        raise SystemExit("the README has no place for it")
    with open(README, "w", encoding="utf-8") as f:
        f.write(text)
