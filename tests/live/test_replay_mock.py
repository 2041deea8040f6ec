"""The mixed session (mixed.py) replayed against the mock of its recording: nothing differs, and nothing is missed."""
import json
import os
import subprocess

import mixed
from harness import TAPEDECK, equal, folder, free_port, run, spawn, until


def main():
    s, _ = mixed.record(mixed.Server(), "tcp")
    where = folder()
    ready, port = os.path.join(where, "ready"), free_port()
    mock = spawn(TAPEDECK, "mock", s.capture, "--no-capture", "--proxy-type", "reverse", "--proxy-protocol", "http", "--in-bind",
                 "127.0.0.1", "--proxy-in-port", port, "--ready-file", ready, "--log-level", "warn", cwd=where,
                 env=dict(os.environ, XDG_RUNTIME_DIR=where), stderr=subprocess.PIPE)
    until("the mock", lambda: os.path.exists(ready))
    for options in ([], ["--speed", "max"], ["--connections", "16", "--speed", "max"]):
        r = run(TAPEDECK, "replay", s.capture, "--target", f"http://127.0.0.1:{port}", "--no-capture", "--json", *options,
                check=False, cwd=where)
        assert r.returncode == 0, f"{options}: exit {r.returncode}\n{r.stdout.decode()[-3000:]}{r.stderr.decode()}"
        report = json.loads(r.stdout)
        print(" ".join(options) or "as recorded", "→", report["requests"]["equal"], "equal in", report["duration_us"] // 1000, "ms")
        equal(report["requests"]["equal"], mixed.COUNT, f"{options}: equal")
    mock.terminate()
    said = mock.communicate(timeout=30)[1].decode()
    assert " 0 missed" in said, said


if __name__ == "__main__":
    main()
