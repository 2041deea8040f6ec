"""A real application's recording, replayed at new builds of it: tokens, ids, cursors and forms are those that it issues now; what one
build has changed is reported, and nothing else. At last a build that is alone, all that it depends on mocked."""
import json
import os
import shutil
import xml.etree.ElementTree as xml

from app.stage import Dependencies, Recording, Shop
from harness import TAPEDECK, equal, folder, run

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMA = os.path.join(HERE, "..", "golden", "report", "junit.xsd")
# What a build changes (shop.py), and where that is seen. HEAD tells of the length that GET has.
ORDER, LENGTH = "GET /orders/{id}", ("HEAD /orders/{id}", "header content-length", "value")
BUILDS = {
    "login-201": [("POST /login", "status", "value")],
    "total-as-text": [(ORDER, "body.total", "type"), LENGTH],
    "status-other": [(ORDER, "body.status", "value"), LENGTH],
    "no-currency": [(ORDER, "body.currency", "missing"), LENGTH],
    "note-extra": [(ORDER, "body.note", "extra"), LENGTH],
    "cache-header": [(ORDER, "header cache-control", "value"), ("HEAD /orders/{id}", "header cache-control", "value")],
}


# What a build, whose ids are others, may tell a mock of its dependencies.
MOCK_RULES = "shape: {body.reference: uuid, body.id: uuid, body.at: time}\n"
# One request after the other, as the shop's tests had them, as fast as they are answered.
IN_TURN = ("--vus", "1", "--speed", "max")


class Replay:
    """One replay at a shop that was started for it, by default with its dependencies."""

    def __init__(self, taken, *options, build="", shop=None):
        where = folder()
        self.capture, self.report, self.junit, self.page = (os.path.join(where, n) for n in ("c.db", "r.json", "r.xml", "r.html"))
        with shop or Shop(taken.deps.at, build=build) as shop:
            r = run(TAPEDECK, "replay", taken.capture, "--target", f"http://localhost:{shop.port}", "--capture", self.capture,
                    "--report", self.report, "--report", self.junit, "--report", self.page, *options, check=False)
        self.code, self.said = r.returncode, r.stdout.decode() + r.stderr.decode()
        with open(self.report, encoding="utf-8") as f:
            self.told = json.load(f)
        run(TAPEDECK, "verify", self.capture)

    def mismatches(self):
        return {(m["endpoint"], m["where"], m["kind"]): m["answers"] for m in self.told["mismatches"]}

    def is_green(self, what):
        equal((self.code, self.mismatches(), self.told["errors"]["total"]), (0, {}, 0), f"{what}:\n{self.said}")


def learned(taken):
    """Rules from two replays of the same build: what differs between them is noise."""
    rules = os.path.join(taken.dir, "noise.yaml")
    first, second = Replay(taken, *IN_TURN), Replay(taken, *IN_TURN)
    equal((first.code, second.code), (1, 1), "replays without rules: " + first.said)
    equal(run(TAPEDECK, "diff", first.capture, second.capture, "--half", "answer", "--learn", rules, check=False).returncode, 1, "diff")
    equal(run(TAPEDECK, "diff", first.capture, second.capture, "--half", "answer", "--rules", rules).returncode, 0, "diff, with rules")
    return rules


def tokens(taken, rules):
    """What answers issue and requests carry is found in the recording, and said anew; without that all is refused that needs it."""
    Replay(taken, "--rules", rules).is_green("as recorded")
    Replay(taken, "--rules", rules, *IN_TURN).is_green("in turn")
    graph = run(TAPEDECK, "correlate", taken.capture).stdout.decode()
    for what in ("access_token", "refresh_token", "csrf", "next", "visit", "etag"):
        assert what in graph.lower(), f"not found: {what}\n{graph}"
    without = Replay(taken, "--rules", rules, "--no-correlate", *IN_TURN)
    refused = {endpoint for endpoint, where, _ in without.mismatches() if where == "status"}
    equal(without.code, 1, "exit code without correlation")
    for endpoint in ("POST /orders", "GET /orders", ORDER, "POST /refresh", "POST /contact", "GET /orders.csv"):
        assert endpoint in refused, f"{endpoint} was not refused: {refused}"


def changed(taken, rules):
    """Each change of a build is told as what it is, in all forms of the report, and is new to a baseline."""
    base = Replay(taken, "--rules", rules, *IN_TURN)
    base.is_green("the baseline")
    for build, places in BUILDS.items():
        r = Replay(taken, "--rules", rules, *IN_TURN, build=build)
        equal((r.code, sorted(r.mismatches())), (1, places), f"{build}:\n{r.said}")
        failed = [c.get("name") for c in xml.parse(r.junit).iter("testcase") if c.find("failure") is not None]
        with open(r.page, encoding="utf-8") as f:
            page = f.read()
        for endpoint, where, _ in places:
            assert endpoint in failed, f"{build}: JUnit tells of {failed}"
            assert where in page, f"{build}: the page does not tell of {where}"
        if shutil.which("xmllint"):
            run("xmllint", "--noout", "--schema", SCHEMA, r.junit)
        again = Replay(taken, "--rules", rules, "--baseline", base.report, *IN_TURN, build=build)
        equal((again.code, sorted(again.mismatches())), (3, places), f"{build}, with a baseline:\n{again.said}")
        known = Replay(taken, "--rules", rules, "--baseline", r.report, *IN_TURN, build=build)
        equal((known.code, sorted(known.mismatches())), (0, places), f"{build}, with a baseline that knows it:\n{known.said}")
        print(build, "is told as", places[0], flush=True)


def alone(taken, rules):
    """The recording on both sides of a build: its requests before it, the answers of its dependencies behind it."""
    accepted = os.path.join(taken.dir, "accepted.yaml")
    with open(accepted, "w", encoding="utf-8") as f:
        f.write(MOCK_RULES)
    for build, places in (("", []), ("no-currency", BUILDS["no-currency"])):
        capture = os.path.join(folder(), "mock.db")
        maps = [word for port, target in taken.maps.items() for word in ("--map", f"{port}={target}")]
        shop = taken.alone(TAPEDECK, "mock", taken.capture, "--capture", capture, "--match-rules", accepted, *maps, "--", build=build)
        r = Replay(taken, "--rules", rules, *IN_TURN, shop=shop)
        equal((r.code, sorted(r.mismatches())), (int(bool(places)), places), f"alone: {r.said}{shop.said()}")
        assert " 0 missed" in shop.said(), shop.said()
        run(TAPEDECK, "verify", capture)


def main():
    deps = Dependencies()
    # The second without what redaction hides by default: the tokens and cookies in headers.
    for taken in (Recording(deps, sidecar=("redact=none",)), Recording(deps)):
        rules = learned(taken)
        tokens(taken, rules)
    changed(taken, rules)
    deps.stop()
    alone(taken, rules)
    print("app, replayed: fine")


main()
