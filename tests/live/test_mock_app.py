"""A real application, alone with its dependencies mocked: behind a proxy and ports of their own (forward), where what keeps it from
that at first is told with the rules that accept it; and with a mock in the place of each (reverse). Under these rules its own tests
say what they said when it was recorded. They say it to a mock of the application itself, too."""
import json
import os

from app.stage import Dependencies, Recording, Shop, client, same
from harness import TAPEDECK, equal, run
from mocking import mock

ROUNDS = 4  # each says what the shop came to lack behind what the rules before accept


def forward(taken):
    """The options that name the rules under which nothing is missed."""
    options = ["--app-port", taken.port, "--proxy-in-port", taken.inbound]
    for port, target in taken.maps.items():
        options += ["--map", f"{port}={target}"]
    rules, seen = [], []
    for n in range(ROUNDS):
        capture, written = (os.path.join(taken.dir, f"{name}{n}") for name in ("mock", "rules"))
        with taken.alone(TAPEDECK, "mock", taken.capture, "--capture", capture + ".db", *options, *rules, "--") as shop:
            code, told = client(taken.inbound, check=False)
        run(TAPEDECK, "verify", capture + ".db")
        report = json.loads(run(TAPEDECK, "mock-report", capture + ".db", "--tape", taken.capture, "--json", *rules,
                                "--write-rules", written).stdout)
        print(f"round {n}: {report['hits']} answered, {report['misses']} missed:", [m["what"] for m in report["missed"]])
        if code == 0:
            break
        assert report["misses"], f"nothing was missed, and yet:\n{told}\n{shop.said()}"
        seen += [(m["cause"], m["path"]) for m in report["missed"]]
        rules = ["--match-rules", written]
    equal(report["misses"], 0, "misses under the rules")
    same(told, taken.told, "the shop's tests, its dependencies mocked")
    assert ("body", "/charges") in seen, seen  # the shop sends a new reference each time
    return rules


def ended(m, hits, what):
    """All that was asked of that mock was answered out of the recording."""
    m.stop()
    m.verify()
    equal(m.rows("SELECT outcome, count(*) FROM http GROUP BY 1"), [("hit", hits)], what)


def reverse(taken, rules):
    """Each mock is at another port than its server was, and payments is TLS that it ends with a certificate of its own."""
    ports, mocks = taken.deps.ports, {}
    certificate = ("--tls-in-public", taken.deps.pair[0], "--tls-in-private", taken.deps.pair[1])
    for name, protocol, more in (("prices", "http", ()), ("payments", "http", certificate), ("rates", "tcp", ()), ("database", "tcp", ())):
        if name in ports:
            mocks[name] = mock(taken.capture, "--proxy-type", "reverse", "--proxy-protocol", protocol, "--in-bind", "127.0.0.1",
                               "--tape-filter", f'target = "localhost:{ports[name]}"', *more, *rules)
    with Shop(taken.deps.found_at({name: m.inbound for name, m in mocks.items()})) as shop:
        same(client(shop.port), taken.told, "the shop's tests, a mock in the place of each dependency")
    for name, m in mocks.items():
        ended(m, {"prices": 12, "payments": 10, "rates": 1, "database": 9}[name], name)


def itself(taken):
    """The shop's tests, with no shop; a test is run more than once."""
    m = mock(taken.capture, "--proxy-type", "reverse", "--proxy-protocol", "http", "--in-bind", "127.0.0.1", "--tape-filter",
             "direction = inbound")
    for turn in range(3):
        same(client(m.inbound), taken.told, f"the shop's tests, told to a mock, turn {turn}")
    ended(m, 3 * 48, "the shop")


def main():
    deps = Dependencies()
    taken = Recording(deps)
    deps.stop()
    rules = forward(taken)
    reverse(taken, rules)
    itself(taken)
    print("mock_app: fine")


main()
