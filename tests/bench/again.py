#!/usr/bin/env python3
"""Measures replay and mock beside what users have today, on loopback, in one run: each ratio is of neighbours in time.

    tests/bench/again.py [ROW...]      rows: max, times, mock, large; all without one

    max    replay at --speed max over 64 connections, answers compared, beside wrk on the same nginx
    times  a recording of bursts replayed at its own times: lateness of sends, and the whole run's length
    mock   our mock on one worker, recording what it does, beside nginx with `return` and mitmproxy's server replay
    large  memory of a mock whose capture is large (LARGE bytes), while its answers stream

Environment: TAPEDECK_BIN (default: the preset "release"), REPS (3), SECS (3), LARGE (5 GiB), BURST_SECS (60). Needs nginx and wrk;
mitmdump is left out where it is not. Prints a line for each sample, and medians of the ratios last. Temporary data goes to $TMPDIR.
"""
import contextlib
import json
import os
import random
import re
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
os.environ.setdefault("TAPEDECK_BIN", os.path.join(TOP, "build", "bin"))
sys.path.insert(0, os.path.join(TOP, "tests", "live"))

from harness import TAPEDECK, folder, free_port, listening, need, rss_kib, run, spawn, stop, until  # noqa: E402

REPS = int(os.environ.get("REPS", "3"))
SECS = int(os.environ.get("SECS", "3"))
LARGE = int(os.environ.get("LARGE", str(5 << 30)))
BURST_SECS = int(os.environ.get("BURST_SECS", "60"))
CONNECTIONS = 64
# Answers of nginx: a page and its size, which its configuration can hold in one word.
PAGES = {"/small": 120, "/page": 1024, "/long": 3500}


# ---- programs

def await_port(port):
    until(f"a listener on {port}", lambda: listening(port))


def nginx(where):
    port = free_port()
    pages = "\n".join(f'location = {path} {{ default_type text/plain; return 200 "{"x" * size}"; }}' for path, size in PAGES.items())
    conf = os.path.join(where, "nginx.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f"""worker_processes 1; daemon off; pid {where}/nginx.pid; error_log {where}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {where}/b; proxy_temp_path {where}/p;
fastcgi_temp_path {where}/f; uwsgi_temp_path {where}/u; scgi_temp_path {where}/s;
server {{ listen 127.0.0.1:{port}; {pages} }} }}""")
    process = spawn("nginx", "-p", where, "-c", conf)
    await_port(port)
    return process, port


def wrk(port, path, secs=SECS, connections=CONNECTIONS):
    out = run("wrk", "-t1", f"-c{connections}", f"-d{secs}s", f"http://127.0.0.1:{port}{path}").stdout.decode()
    bad = re.search(r"Non-2xx.*: (\d+)", out)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), int(bad[1]) if bad else 0


def sidecar(capture, port, *more):
    """Ours in front of a port, until the block ends."""
    inbound = free_port()
    process = spawn(TAPEDECK, "run", "--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-port", str(port), "--in-bind",
                    "127.0.0.1", "--proxy-in-port", str(inbound), "--capture", capture, "--admin-listen", "off", "--log-level",
                    "error", *more)
    await_port(inbound)
    return process, inbound


def answer(f, size):
    """Reads one, of a content of that size."""
    line = f.readline()
    while line not in (b"\r\n", b""):
        line = f.readline()
    if not line or len(f.read(size)) < size:
        sys.exit("again.py: an answer was cut")


def together(threads):
    threads = list(threads)
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def record(capture, port, path, count):
    """count transactions over CONNECTIONS connections."""
    process, inbound = sidecar(capture, port)
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    size = PAGES[path]

    def one(times):
        with socket.create_connection(("127.0.0.1", inbound)) as s, s.makefile("rb") as f:
            for _ in range(times):
                s.sendall(request)
                answer(f, size)
    together(threading.Thread(target=one, args=(count // CONNECTIONS,), daemon=True) for _ in range(CONNECTIONS))
    stop(process)


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def say(**fields):
    print(json.dumps(fields), flush=True)


def median(values):
    return statistics.median(values) if values else float("nan")


# ---- rows

def replay(capture, port, report, *more):
    p = run(TAPEDECK, "replay", capture, "--target", f"http://127.0.0.1:{port}", "--quiet", "--report", report, *more, check=False)
    with open(report, encoding="utf-8") as f:
        return p.returncode, json.load(f)


def row_max(where, totals):
    capture = os.path.join(where, "max.db")
    process, port = nginx(where)
    record(capture, port, "/page", 64 * 200)
    for _ in range(REPS):
        theirs, _ = wrk(port, "/page")
        for name, more in (("recorded", ["--capture", os.path.join(where, "again.db")]), ("no-capture", ["--no-capture"])):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(where, "again.db"))
            code, r = replay(capture, port, os.path.join(where, "r.json"), "--speed", "max", "--connections", str(CONNECTIONS),
                             "--for", f"{SECS}s", "--times", "1000000", *more)
            ours = r["requests"]["answered"] / (r["duration_us"] / 1e6)
            say(row="max", capture=name, exit=code, replay=round(ours), wrk=round(theirs), ratio=round(ours / theirs, 3))
            totals.setdefault(f"max {name}: replay ÷ wrk (bar 0.7)", []).append(ours / theirs)
    stop(process)


def row_times(where, totals):
    """Bursts of 1 to 40 requests on 8 connections, at odd times."""
    capture = os.path.join(where, "times.db")
    process, port = nginx(where)
    side, inbound = sidecar(capture, port)
    rng, begin = random.Random(5), time.monotonic()

    def client(seed):
        mine = random.Random(seed)
        with socket.create_connection(("127.0.0.1", inbound)) as s, s.makefile("rb") as f:
            while time.monotonic() < begin + BURST_SECS:
                for _ in range(mine.randint(1, 40)):
                    s.sendall(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    answer(f, PAGES["/small"])
                time.sleep(mine.random() * 0.5)
    together(threading.Thread(target=client, args=(rng.random(),), daemon=True) for _ in range(8))
    stop(side)
    code, r = replay(capture, port, os.path.join(where, "t.json"), "--capture", os.path.join(where, "t.db"))
    with contextlib.closing(sqlite3.connect(capture)) as db:
        span = db.execute("SELECT (SELECT max(at_us) FROM flow_end) - (SELECT min(at_us) FROM flow)").fetchone()[0]
    late = r["lateness"]
    say(row="times", exit=code, sent=r["requests"]["sent"], equal=r["requests"]["equal"], within_1ms=round(late["within_1ms"], 5),
        p99=late["all"]["p99"], own_p99=late["own"]["p99"], recorded_us=span, duration_us=r["duration_us"])
    totals["times: sends within 1 ms of plan (bar 0.99)"] = [late["within_1ms"]]
    totals["times: length ÷ the recording's (bar 1 ± 0.005)"] = [r["duration_us"] / span]
    stop(process)


def mitm(where, port, path, requests):
    """mitmproxy's own recording of the page, replayed by it as often as is asked."""
    flows, listen = os.path.join(where, "flows"), free_port()
    p = spawn("mitmdump", "-q", "-p", str(listen), "--listen-host", "127.0.0.1", "--mode", f"reverse:http://127.0.0.1:{port}", "-w",
              flows)
    await_port(listen)
    run("curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{listen}{path}")
    stop(p)
    p = spawn("mitmdump", "-q", "-p", str(listen), "--listen-host", "127.0.0.1", "--mode", f"reverse:http://127.0.0.1:{port}",
              "--server-replay", flows, "--set", "server_replay_nopop=true", "--set", "server_replay_kill_extra=true")
    await_port(listen)
    rate, bad = wrk(listen, path)
    stop(p)
    return rate, bad


def row_mock(where, totals):
    for path in PAGES:
        capture = os.path.join(where, f"mock{path[1:]}.db")
        process, port = nginx(where)
        record(capture, port, path, 64)
        for i in range(REPS):
            base, _ = wrk(port, path)
            listen, made = free_port(), os.path.join(where, f"made{path[1:]}{i}.db")
            p = spawn(TAPEDECK, "mock", capture, "--proxy-in-port", str(listen), "--in-bind", "127.0.0.1", "--capture", made,
                      "--admin-listen", "off", "--log-level", "error")
            await_port(listen)
            ours, bad = wrk(listen, path)
            stop(p)
            code = run(TAPEDECK, "verify", made, check=False).returncode
            for name in (made, made + "-wal", made + "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)
            say(row="mock", page=path, mock=round(ours), errors=bad, verify=code, nginx=round(base), ratio=round(ours / base, 3))
            totals.setdefault(f"mock {path}: ours ÷ nginx return (bar 0.4)", []).append(ours / base)
            if i == 0 and subprocess.run(["which", "mitmdump"], capture_output=True, check=False).returncode == 0:
                theirs, wrong = mitm(where, port, path, 1)
                say(row="mock", page=path, mitmproxy=round(theirs), errors=wrong, ratio=round(ours / theirs, 1))
                totals.setdefault(f"mock {path}: ours ÷ mitmproxy (bar 20)", []).append(ours / theirs)
        stop(process)


def children(pid):
    out = run("ps", "-o", "pid=,comm=", "--ppid", str(pid)).stdout.decode().split("\n")
    return {line.split()[1]: int(line.split()[0]) for line in out if line.strip()}


def row_large(where, totals):
    """A capture of answers of 64 MiB each, all different."""
    size, count = 64 << 20, max(LARGE >> 26, 1)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            s, _ = listener.accept()
            with s, s.makefile("rb") as f:
                path = f.readline().split()[1].decode()
                while f.readline() not in (b"\r\n", b""):
                    pass
                s.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode())
                block = random.Random(path).randbytes(1 << 20)
                for i in range(size >> 20):
                    s.sendall(i.to_bytes(4, "big") + block[4:])
    threading.Thread(target=serve, daemon=True).start()
    capture = os.path.join(where, "large.db")
    side, inbound = sidecar(capture, listener.getsockname()[1], "--max-body", "1GiB", "--on-full", "block")
    for i in range(count):
        run("curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{inbound}/{i}")
    stop(side)
    listen = free_port()
    p = spawn(TAPEDECK, "mock", capture, "--proxy-in-port", str(listen), "--in-bind", "127.0.0.1", "--no-capture", "--log-level",
              "error", "--admin-listen", "off")
    await_port(listen)
    peak, got = 0, 0
    clients = [subprocess.Popen(["curl", "-s", "-o", "/dev/null", "-w", "%{size_download}", f"http://127.0.0.1:{listen}/{i}"],
                                stdout=subprocess.PIPE) for i in range(count)]
    while any(c.poll() is None for c in clients):
        for pid in children(p.pid).values():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                peak = max(peak, rss_kib(pid)["VmHWM"])
        time.sleep(0.05)
    got = sum(int(c.stdout.read()) for c in clients)
    stop(p)
    say(row="large", capture=os.path.getsize(capture), answers=count, clients=count, wrong=got != count * size,
        peak_mib=round(peak / 1024, 1))
    totals["large: peak MiB of the mock"] = [peak / 1024]
    os.unlink(capture)


ROWS = {"max": row_max, "times": row_times, "mock": row_mock, "large": row_large}


def main(names):
    need("nginx", "wrk")
    wrong = [n for n in names if n not in ROWS]
    if wrong:
        sys.exit(f"again.py: there is no row '{wrong[0]}': {', '.join(ROWS)}")
    totals = {}
    for name in names or ROWS:
        ROWS[name](folder(), totals)
    for key, values in totals.items():
        print(f"{median(values):8.4f}  {key}")


main(sys.argv[1:])
