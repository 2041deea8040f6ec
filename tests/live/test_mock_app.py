"""A real application, alone with its dependencies mocked: what keeps it from that at first is told with the rules that accept it;
under these its own tests say what they said when it was recorded."""
import json
import os

from app.stage import Dependencies, Recording, client, same
from harness import TAPEDECK, equal, run

ROUNDS = 4  # each says what the shop came to lack behind what the rules before accept


def main():
    deps = Dependencies()
    taken = Recording(deps)
    deps.stop()
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
    print("mock_app: fine")


main()
