"""The mixed session (mixed.py), recorded in each way and played by a mock of the same capture: clients hear what they heard, nothing
is missed, every recording answers once, and what the mock recorded is equal to what it was played from."""
import sys

import mixed
from harness import TAPEDECK, Sidecar, equal, run


def mocked(kind, capture, port, *options):
    """The session with a mock, which has ended: (mock, heard). port: of the server, which is not asked."""
    where = ["--proxy-type", "forward"] if kind == "forward" else [
        "--proxy-type", "reverse", "--proxy-host", "127.0.0.1", "--proxy-port", "9", "--in-bind", "127.0.0.1"]
    s = Sidecar(*where, "--proxy-protocol", "tcp" if kind == "tcp" else "http", "--log-level", "warn", "--redact", "none", *options,
                command=("mock", capture)).start()
    heard = mixed.session(port, proxy=s.outbound) if kind == "forward" else mixed.session(s.inbound)
    s.stop()
    return s, heard


def main():
    server = mixed.Server()
    for kind, options in (("tcp", ()), ("forward", ("--timing", "x4")), ("reverse", ("--workers", "1"))):
        recorded, before = mixed.record(server, kind)
        s, heard = mocked(kind, recorded.capture, server.port, *options)
        mixed.same(before, heard, raw=False)
        s.verify()
        equal(s.rows("SELECT outcome, count(*) FROM http GROUP BY outcome"), [("hit", mixed.COUNT)], f"{kind}: outcomes")
        equal(s.one("SELECT count(DISTINCT original) FROM http"), mixed.COUNT, f"{kind}: recordings that answered")
        r = run(TAPEDECK, "diff", recorded.capture, s.capture, check=False)
        equal((r.returncode, r.stdout.decode()[:300].split(" of ")[0]), (0, f"{mixed.COUNT:,}"), f"{kind}: what is equal")
        print(f"{kind}: {mixed.COUNT} hits, {before['seconds']:.1f} s with the server, {heard['seconds']:.1f} s with the mock")
    return 0


if __name__ == "__main__":
    sys.exit(main())
