"""The mixed session (mixed.py) replayed against the server that it was recorded from: nothing differs, over connections as recorded
and over others; and the capture of a replay is equal to the recording."""
import json
import os

import mixed
from harness import TAPEDECK, equal, folder, run


def replay(where, s, server, *options, code=0):
    mine = os.path.join(where, f"replay{len(os.listdir(where))}.db")
    r = run(TAPEDECK, "replay", s.capture, "--target", f"http://127.0.0.1:{server.port}", "--capture", mine, "--json", *options,
            check=False, cwd=where)
    assert r.returncode == code, f"{options}: exit {r.returncode}\n{r.stdout.decode()[-3000:]}{r.stderr.decode()}"
    report = json.loads(r.stdout)
    requests = report["requests"]
    print(" ".join(options) or "as recorded", "→", requests["equal"], "equal,", report["duration_us"] // 1000, "ms,",
          round(report["rate"]), "a second")
    for key in ("planned", "sent", "answered", "equal"):
        equal(requests[key], mixed.COUNT, f"{options}: {key}")
    run(TAPEDECK, "verify", mine)
    return mine


def main():
    server = mixed.Server()
    for kind, ways in (("tcp", ([], ["--speed", "max"], ["--connections", "16", "--speed", "max"], ["--connections", "1", "--speed", "max"],
                                ["--vus", "20", "--speed", "4"], ["--rate", "2000"])),
                       ("reverse", (["--speed", "max"], ["--connections", "40", "--rate", "1500"]))):
        where = folder()
        s, _ = mixed.record(server, kind)
        for options in ways:
            mine = replay(where, s, server, "--keep-host", *options)
            if "--connections" in options:
                continue
            r = run(TAPEDECK, "diff", s.capture, mine, "--json")
            sums = json.loads(r.stdout.splitlines()[-1])["sums"]
            equal((sums["equal"], sums["left"], sums["right"]), (mixed.COUNT,) * 3, "transactions in both captures")


if __name__ == "__main__":
    main()
