"""A real application, of which its own tests say the same when it is recorded in dual mode; the capture has all of it. What differs
between two recordings of it are ids, tokens and times: under the rules that these two teach a third one is equal."""
import contextlib
import os
import sqlite3

from app.stage import Dependencies, Recording, Shop, client, same
from harness import TAPEDECK, equal, run

INBOUND = {
    "GET /catalogue": 1, "GET /contact": 1, "GET /contact/thanks": 1, "GET /health": 1, "GET /nowhere": 1, "GET /orders": 7,
    "GET /orders.csv": 1, "GET /orders/{id}": 7, "GET /orders/{id}/attachment": 2, "HEAD /orders/{id}": 2, "POST /contact": 3,
    "POST /login": 4, "POST /orders": 10, "POST /orders/{id}/attachment": 1, "POST /orders/{id}/cancel": 2, "POST /refresh": 2,
    "PUT /orders": 1, "PUT /password": 1,
}

def rows(capture, sql):
    with contextlib.closing(sqlite3.connect(f"file:{capture}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def held(taken):
    """What came in, what went out: prices, payments decrypted, rates and the database by their maps."""
    ports, host = taken.deps.ports, "localhost:%d"
    equal(rows(taken.capture, "SELECT count(*) FROM txn WHERE state <> 'complete'"), [(0,)], "transactions that are not whole")
    equal(dict(rows(taken.capture, f"SELECT method || ' ' || route, count FROM endpoints WHERE host = '{host % taken.inbound}'")),
          INBOUND, "what came in")
    out = rows(taken.capture, "SELECT scheme, host, method, path, count(*) FROM http WHERE protocol = 'http' AND direction = 'outbound'"
                              " AND path NOT LIKE '/charges/%' GROUP BY 1, 2, 3, 4 ORDER BY 1, 4")
    equal(out, [("http", host % ports["prices"], "GET", "/prices", 12), ("https", host % ports["payments"], "POST", "/charges", 6),
                ("https", host % ports["payments"], "POST", "/events", 3)], "what went out")
    said = {}
    for target, words in rows(taken.capture, "SELECT target, bytes FROM content JOIN txn ON txn.id = content.txn"
                                             " JOIN flow ON flow.id = txn.flow WHERE protocol = 'raw'"):
        said[target] = said.get(target, b"") + words
    equal(set(said), set(taken.maps.values()), "conversations")
    for what in (b"RATES 1 READY", b"RATE EUR USD", b"OK 1.0837"):
        assert what in said[host % ports["rates"]], said


def again(taken):
    """Ids are in paths as well. But for one kind that no route is known by: that of a charge."""
    rules, known = os.path.join(taken.dir, "rules.yaml"), 'not path ~ "^/charges/ch_"'
    second, third = (Recording(taken.deps, like=taken) for _ in range(2))
    equal(run(TAPEDECK, "diff", taken.capture, second.capture, known, "--learn", rules, check=False).returncode, 1, "diff, learning")
    r = run(TAPEDECK, "diff", taken.capture, third.capture, known, "--rules", rules, check=False)
    equal((r.returncode, r.stdout.decode().split(" transactions ")[1]), (0, "are equal, 0 differ, 0 are missing, 0 extra\n"), "diff")
    r = run(TAPEDECK, "diff", taken.capture, third.capture, known, check=False)
    equal((r.returncode, r.stdout.decode()[-24:]), (1, " 0 are missing, 0 extra\n"), "diff without rules")


def main():
    deps = Dependencies()
    with Shop(deps.at) as shop:
        told = client(shop.port)
    taken = Recording(deps)
    same(taken.told, told, "the shop's tests through the sidecar")
    held(taken)
    again(taken)
    deps.stop()
    print("app: fine")


main()
