"""The mixed session (mixed.py), recorded in each way and served by a mock of the same capture. Its clients hear what they heard; a
replay against the mock finds nothing that differs; nothing is missed, every recording answers once, and what the mock recorded, and the
replay, is equal to what it was played from. So it is with the usual redaction."""
import contextlib
import sys

import mixed
from harness import Sidecar, equal, folder
from test_replay_identity import compare, replay

# How the session is recorded; how the mock serves it; how the replay goes.
WAYS = (
    ("tcp", "none", (), ((), ("--speed", "max", "--connections", "64"))),
    ("forward", "none", ("--timing", "x4"), (("--speed", "max"),)),
    ("reverse", "default", ("--workers", "1"), ((), ("--rate", "2000"))),
)


@contextlib.contextmanager
def mock(kind, redact, recorded, options):
    """A mock; once it has ended, what it recorded is equal to what it was played from."""
    where = ["--proxy-type", "forward"] if kind == "forward" else [
        "--proxy-type", "reverse", "--proxy-host", "127.0.0.1", "--proxy-port", "9", "--in-bind", "127.0.0.1"]
    s = Sidecar(*where, "--proxy-protocol", "tcp" if kind == "tcp" else "http", "--log-level", "warn", "--redact", redact, *options,
                command=("mock", recorded)).start()
    yield s
    s.stop()
    s.verify()
    equal(s.rows("SELECT outcome, count(*) FROM http GROUP BY outcome"), [("hit", mixed.COUNT)], f"{kind}: outcomes")
    equal(s.one("SELECT count(DISTINCT original) FROM http"), mixed.COUNT, f"{kind}: recordings that answered")
    compare(recorded, s.capture, kind)


def main():
    server = mixed.Server()
    where = folder()
    for kind, redact, options, replays in WAYS:
        recorded, before = mixed.record(server, kind, options=("--redact", redact))
        with mock(kind, redact, recorded.capture, options) as s:
            heard = mixed.session(server.port, proxy=s.outbound) if kind == "forward" else mixed.session(s.inbound)
        if redact == "none":
            mixed.same(before, heard, raw=False)  # else its cookies are those of the recording
        print(f"{kind}: {before['seconds']:.1f} s with the server, {heard['seconds']:.1f} s with the mock", flush=True)
        for how in replays:
            # A replay sends to servers, not by proxies.
            with mock("reverse" if kind == "forward" else kind, redact, recorded.capture, options) as s:
                mine = replay(where, recorded.capture, f"http://127.0.0.1:{s.inbound}", "--keep-host", *how)
                compare(recorded.capture, mine, how)
    return 0


if __name__ == "__main__":
    sys.exit(main())
