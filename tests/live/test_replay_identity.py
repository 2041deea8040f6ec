"""The mixed session (mixed.py) replayed against the server that it was recorded from: nothing differs, over connections as recorded
and over others, at any speed and rate; and each replay's own capture is equal to the recording. So it is with the usual redaction."""
import json
import os
import sys

import mixed
from harness import TAPEDECK, equal, folder, run

# How the session is recorded, and how that is replayed.
RECORDINGS = (
    (("tcp",), (
        (),
        ("--speed", "10"),
        ("--speed", "max"),
        ("--vus", "20", "--speed", "4"),
        ("--connections", "64", "--speed", "max"),
    )),
    (("reverse", "--redact", "default"), (
        ("--connections", "8", "--speed", "max"),
        ("--connections", "64"),
        ("--rate", "2000", "--redact", "default,header:user-agent,query:q"),
        ("--stages", "1s@1000,2s@2100", "--connections", "64"),
    )),
    (("forward", "--redact", "none"), (
        ("--speed", "max"),
    )),
)


def replay(where, capture, target, *options):
    """The replay's own capture, proved."""
    mine = os.path.join(where, f"replay{len(os.listdir(where))}.db")
    r = run(TAPEDECK, "replay", capture, "--target", target, "--capture", mine, "--json", *options, check=False, cwd=where)
    assert r.returncode == 0, f"{options}: exit {r.returncode}\n{r.stdout.decode()[-3000:]}{r.stderr.decode()}"
    report = json.loads(r.stdout)
    requests = report["requests"]
    print(" ".join(options) or "as recorded", "→", requests["equal"], "equal,", report["duration_us"] // 1000, "ms,",
          round(report["rate"]), "a second", flush=True)
    for key in ("sent", "answered", "equal"):
        equal(requests[key], mixed.COUNT, f"{options}: {key}")
    run(TAPEDECK, "verify", mine)
    return mine


def compare(capture, mine, options):
    r = run(TAPEDECK, "diff", capture, mine, "--json", check=False)
    sums = json.loads(r.stdout.splitlines()[-1])["sums"]
    equal((r.returncode, sums["equal"], sums["left"], sums["right"]), (0,) + (mixed.COUNT,) * 3,
          f"{options}: transactions in both captures; {r.stdout.decode()[:600]}")


def main():
    server = mixed.Server()
    for (kind, *redact), ways in RECORDINGS:
        s, _ = mixed.record(server, kind, options=redact)
        print(kind, *redact)
        where = folder()
        for options in ways:
            options += () if kind == "forward" else ("--keep-host",)
            compare(s.capture, replay(where, s.capture, f"http://127.0.0.1:{server.port}", *options), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
