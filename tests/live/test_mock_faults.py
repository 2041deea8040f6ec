"""Faults of a mock, each as curl sees it and as the capture says it; the same seed gives the same sequence; what a client prefers."""
import json
import os
import socket
import sys
import time

from harness import Sidecar, equal, folder, need, run
from mocking import Lines, Web, mock

RULES = """
- {fault: latency, delay: 300ms, when: 'path = "/latency"'}
- {fault: status, status: 503, when: 'path = "/status"'}
- {fault: status, status: 429, body: '{"slow":"down"}', type: application/json, when: 'path = "/body"'}
- {fault: header, set: {retry-after: "5"}, remove: [content-type], when: 'path = "/header"'}
- {fault: truncate, at: 5, when: 'path = "/truncate"'}
- {fault: corrupt, bytes: 1, when: 'path = "/corrupt"'}
- {fault: dribble, bytes: 4, every: 50ms, when: 'path = "/dribble"'}
- {fault: reset, at: 5, when: 'path = "/reset"'}
- {fault: reset, when: 'path = "/reset-before"'}
- {fault: stall, at: 5, when: 'path = "/stall"'}
- {fault: stall, for: 300ms, when: 'path = "/pause"'}
- {fault: status, status: 500, percent: 40, when: 'path = "/sometimes"'}
- {fault: refused, when: 'target ~ ":1$"'}
- {fault: latency, delay: 200ms, when: 'protocol = "raw"'}
"""
PATHS = ("plain", "latency", "status", "body", "header", "truncate", "corrupt", "dribble", "reset", "reset-before", "stall", "pause",
         "sometimes")


def ask(s, path, *words, port=None):
    """curl's exit code, status, head, body, seconds."""
    began = time.monotonic()
    r = run("curl", "-sS", "-i", "-m", "2", "-x", f"http://{s.ready['out']}", "--noproxy", "", *words,
            f"http://localhost:{port or s.web}/{path}", check=False)
    head, _, body = r.stdout.partition(b"\r\n\r\n")
    status = int(head.split()[1]) if head else 0
    return r.returncode, status, head, body, time.monotonic() - began


def each(s, before):
    code, status, head, got, took = ask(s, "latency")
    assert (code, status, got) == (0, 200, before["latency"]) and took > 0.3, (code, status, got, took)
    code, status, head, got, _ = ask(s, "status")
    assert (code, status, got) == (0, 503, before["status"]), (code, status, got)
    code, status, head, got, _ = ask(s, "body")
    assert (code, status, got) == (0, 429, b'{"slow":"down"}') and b"application/json" in head, (head, got)
    code, status, head, got, _ = ask(s, "header")
    assert (code, got) == (0, before["header"]) and b"retry-after: 5" in head and b"Content-Type" not in head, (head, got)
    code, status, head, got, _ = ask(s, "truncate")
    assert (code, status, got) == (18, 200, before["truncate"][:5]), (code, got)
    code, status, head, got, _ = ask(s, "corrupt")
    differ = sum(a != b for a, b in zip(got, before["corrupt"]))
    assert (code, len(got), differ) == (0, len(before["corrupt"]), 1), (code, got)
    code, status, head, got, took = ask(s, "dribble")
    assert (code, got) == (0, before["dribble"]) and took > 0.05 * (len(got) // 4 - 1), (code, got, took)
    code, status, head, got, _ = ask(s, "reset")
    assert (code, got) == (56, before["reset"][:5]), (code, got)
    code, status, head, got, _ = ask(s, "reset-before")
    assert code in (52, 56) and not head, (code, head)
    code, status, head, got, _ = ask(s, "stall")
    assert (code, got) == (28, before["stall"][:5]), (code, got)
    code, status, head, got, took = ask(s, "pause")
    assert (code, got) == (0, before["pause"]) and took > 0.3, (code, got, took)
    code, status, head, got, _ = ask(s, "x", port=1)
    assert (code, status) == (0, 502) and b"refused" in got, (code, head, got)
    code, status, head, got, _ = ask(s, "none")
    assert (code, status) == (0, 502), (code, status)


def outcomes(s):
    return dict(s.rows("SELECT path, outcome FROM http WHERE path NOT IN ('/sometimes', '/plain', '') AND path <> '/prefer'"))


def sequence(s):
    return [ask(s, "sometimes")[1] for _ in range(30)]


def preferred(s, before):
    code, status, head, got, _ = ask(s, "plain", "-H", "Tapedeck-Prefer: status=418")
    assert (code, status, got) == (0, 418, b"") and b"Tapedeck-Made" in head, (head, got)
    code, status, head, got, _ = ask(s, "plain", "-H", f"Tapedeck-Prefer: original={s.id_of}")
    assert (code, status, got) == (0, 200, before["pause"]), (head, got)


def main():
    need("curl")
    web, mail = Web(), Lines()
    rules = os.path.join(folder(), "faults.yaml")
    with open(rules, "w", encoding="utf-8") as f:
        f.write(RULES)
    options = ["--proxy-type", "forward", "--map", f"127.0.0.1:0=localhost:{mail.port}"]
    s = Sidecar(*options).start()
    s.web = web.port
    before = {path: ask(s, path)[3] for path in PATHS}
    at = s.ready["maps"][0].split("=")[0].rsplit(":", 1)
    with socket.create_connection((at[0], int(at[1])), timeout=10) as c:
        c.recv(64)
        c.sendall(b"QUIT\r\n")
    s.stop()
    web.close()
    mail.close()
    seen = []
    for seed in (7, 7, 8):
        m = mock(s.capture, *options, "--faults", rules, "--seed", seed, "--workers", "1")
        m.web, m.id_of = web.port, s.one("SELECT id FROM http WHERE path = '/pause'")
        seen.append(sequence(m))
        if len(seen) == 1:
            each(m, before)
            preferred(m, before)
            at = m.ready["maps"][0].split("=")[0].rsplit(":", 1)
            began = time.monotonic()
            with socket.create_connection((at[0], int(at[1])), timeout=10) as c:
                equal(c.recv(64), b"220 ready\r\n", "words of a server that speaks first")
            assert time.monotonic() - began > 0.2
        m.stop()
        m.verify()
        equal(m.rows("SELECT path, outcome FROM http WHERE outcome IS NULL"), [], "transactions without an outcome")
        if len(seen) == 1:
            wanted = {f"/{p}": f"hit fault={p}" for p in ("latency", "status", "header", "truncate", "corrupt", "dribble", "reset", "stall")}
            wanted.update({"/body": "hit fault=status", "/reset-before": "hit fault=reset", "/pause": "hit fault=stall",
                           "/none": "miss", "/x": "refused fault=refused"})
            equal(outcomes(m), wanted, "outcomes")
            equal(m.rows("SELECT outcome FROM http WHERE protocol = 'raw'"), [("hit fault=latency",)], "that of a conversation")
    equal(set(seen[0]), {200, 500}, "what sometimes comes")
    equal(seen[0], seen[1], "the same seed")
    assert seen[0] != seen[2], "another seed"
    print(json.dumps(seen[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
