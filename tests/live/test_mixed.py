"""The mixed session (mixed.py): clients hear the same bytes directly and through the sidecar, in every way to stand in between;
the captures have all of it, and are equal."""
import os
import sys

import mixed
from harness import TAPEDECK, Sidecar, equal, folder, run


def what_is_in_it(s):
    """That the session is as mixed as it says."""
    counts = dict(s.rows("SELECT method, count(*) FROM http GROUP BY method"))
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert counts.get(method, 0) > 20, counts
    counts = dict(s.rows("SELECT status, count(*) FROM http GROUP BY status"))
    for status in (200, 201, 204, 302, 304, 403, 404, 500):
        assert counts.get(status, 0) > 20, counts
    for what, at_least, sql in (
            ("answers with 100", 200, "SELECT count(*) FROM http WHERE CAST(interim AS TEXT) LIKE 'HTTP/1.1 100%'"),
            ("answers with 103", 100, "SELECT count(*) FROM http WHERE CAST(interim AS TEXT) LIKE '%103 Early%'"),
            ("trailers of requests", 100, "SELECT count(*) FROM http WHERE length(req_trailers) > 0"),
            ("trailers of answers", 100, "SELECT count(*) FROM http WHERE length(res_trailers) > 0"),
            ("answers above 1 MiB", 14, "SELECT count(*) FROM http WHERE res_size > 1048576"),
            ("requests above 1 MiB", 6, "SELECT count(*) FROM http WHERE req_size > 1048576"),
            ("connections", 100, "SELECT count(*) FROM flow"),
            ("requests behind an answer that was still due", 1000,
             "SELECT count(*) FROM txn t JOIN txn u ON u.flow = t.flow AND u.n = t.n + 1 AND u.start_us < t.end_us"),
            ("answers of 1.0", 20, "SELECT count(*) FROM http WHERE CAST(res_head AS TEXT) LIKE 'HTTP/1.0%'"),
            ("content of gzip", 100, "SELECT count(*) FROM http WHERE CAST(res_head AS TEXT) LIKE '%Encoding: gzip%'")):
        got = s.one(sql)
        assert got >= at_least, f"{what}: {got}"


def by_record(server):
    """`tapedeck record` before the clients, which find it by $http_proxy."""
    where = folder()
    out = os.path.join(where, "heard")
    capture = os.path.join(where, "recorded.db")
    run(TAPEDECK, "record", "--capture", capture, "--no-tls", "--",
        *mixed.client(f"127.0.0.1:{server.port}", out, "env"), cwd=where, timeout=170)
    s = Sidecar(capture=capture)
    s.verify()
    equal(s.one("SELECT count(*) FROM http WHERE state = 'complete'"), mixed.COUNT, "transactions of record")
    return mixed.heard_in(out)


def main():
    server = mixed.Server()
    direct = mixed.session(server.port)
    print(f"{mixed.COUNT} transactions, {sum(len(c) for c in direct['clients'])} connections, {direct['seconds']:.1f} s directly")
    mixed.same(direct, mixed.session(server.port))
    captures = []
    for kind in ("reverse", "forward", "tcp"):
        s, heard = mixed.record(server, kind)
        mixed.same(direct, heard)
        print(f"{kind}: the same bytes, {heard['seconds']:.1f} s")
        if kind != "forward":
            captures.append(s.capture)
    what_is_in_it(s)
    mixed.same(direct, by_record(server))
    print("record: the same bytes")
    r = run(TAPEDECK, "diff", *captures, check=False)
    equal((r.returncode, r.stdout.decode()[:300].split(" of ")[0]), (0, f"{mixed.COUNT:,}"), "what is equal in two recordings of it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
