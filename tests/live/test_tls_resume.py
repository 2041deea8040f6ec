"""Resumption through interception: requests with a connection each are resumed on both sides, in TLS 1.2 and 1.3; and many first
connections at once to one name make one certificate. COUNT: connections of each version (1000)."""
import os
import ssl
import threading

from authority import Authority
from harness import Sidecar, equal, folder
from tls_site import Client, Site, client_context

COUNT = int(os.environ.get("COUNT", "1000"))
VERSIONS = (("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3))


def sidecar(ca, workers):
    s = Sidecar("--proxy-type", "forward", "--proxy-protocol", "http", "--tls-out", "--tls-ca-dir", folder() + "/ca",
                "--upstream-ca", ca.cert, "--user", "0", "--workers", workers).start()
    s.ours = os.path.join(s.options[s.options.index("--tls-ca-dir") + 1], "tapedeck-ca.crt")
    return s


def handshakes(s):
    """{(side, result): count}"""
    got = {}
    for line in s.get("/metrics")[1].splitlines():
        if line.startswith("tapedeck_tls_handshakes_total{"):
            words = line[line.index("{") + 1:line.index("}")].replace('"', "").split(",")
            got[tuple(w.split("=")[1] for w in words)] = int(line.rsplit(" ", 1)[1])
    return got


def resumption(ca, site, workers):
    s = sidecar(ca, workers)
    for text, version in VERSIONS:
        before = handshakes(s)
        context = client_context(s.ours, version=version)
        session = None
        resumed = 0
        for i in range(COUNT):
            c = Client(context, site.tls_port, through=s.outbound, session=session)
            equal(c.get(f"/say?id={i}"), (200, f"said {i} TLSv{text}\n".encode()), "an answer")
            resumed += c.s.session_reused
            session = c.s.session
            c.close()
        after = handshakes(s)
        for side in ("client", "server"):
            full, again = (after[(side, r)] - before[(side, r)] for r in ("full", "resumed"))
            print(f"TLS {text}, {workers} workers, {side}: {again} of {full + again} resumed")
            equal(full + again, COUNT, "handshakes")
            assert again >= 0.95 * COUNT, "too few were resumed"
        assert resumed >= 0.95 * COUNT, f"the client saw {resumed}"
    equal(sum(n for (_, r), n in handshakes(s).items() if r == "failed"), 0, "failed handshakes")
    s.committed(2 * COUNT)
    s.stop()
    equal(s.one("SELECT count(*) FROM handshakes WHERE mode = 'intercepted' AND resumed AND client_resumed"
                " AND subject IS NOT NULL") >= 0.95 * 2 * COUNT, True, "resumed handshakes in the capture")
    s.verify()


def at_once(ca, site, workers):
    s = sidecar(ca, workers)
    context = client_context(s.ours)
    gate, wrong = threading.Barrier(64), []

    def one(i):
        try:
            gate.wait(30)
            c = Client(context, site.tls_port, through=s.outbound)
            equal(c.get(f"/say?id={i}")[0], 200, "an answer")
            c.close()
        except Exception as e:  # pylint: disable=broad-except
            wrong.append(e)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(64)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(wrong, [], "what went wrong")
    minted = int(s.metric("tapedeck_tls_minted_total"))
    print(f"64 first connections at once, {workers} workers: {minted} certificates")
    assert 1 <= minted <= workers, "minted more than once"
    s.stop()
    s.verify()


def main():
    ca = Authority()
    site = Site(folder(), *ca.issue("site.test"))
    for workers in (1, 2):
        resumption(ca, site, workers)
        at_once(ca, site, workers)


main()
