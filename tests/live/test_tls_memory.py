"""Memory of interception: idle connections after a request each, at most 45 KiB each; many names, whose certificates are kept up to a
ceiling. COUNT: connections (5000); NAMES: names (10000, with a cache of 1000)."""
import gc
import os
import resource

from authority import Authority
from harness import Sidecar, folder, rss_kib
from tls_site import Client, Site, client_context

COUNT = int(os.environ.get("COUNT", "5000"))
NAMES = int(os.environ.get("NAMES", "10000"))
CACHE = int(os.environ.get("CACHE", "1000"))


def sidecar(ca, *more):
    where = folder()
    s = Sidecar("--proxy-type", "forward", "--proxy-protocol", "http", "--tls-out", "--tls-ca-dir", where + "/ca",
                "--upstream-ca", ca.cert, "--user", "0", "--workers", "1", "--spool-size", "4MiB", *more,
                where=where).start()
    s.context = client_context(os.path.join(where, "ca", "tapedeck-ca.crt"))
    return s


def rss(s):
    return rss_kib(s.ready["proxy"])["RssAnon"]


def idle(ca, site):
    s = sidecar(ca)
    warm = [Client(s.context, site.tls_port, through=s.outbound) for _ in range(50)]
    for c in warm:
        c.get("/say?id=1")
    for c in warm:
        c.close()
    before = rss(s)
    held = []
    for i in range(COUNT):
        c = Client(s.context, site.tls_port, through=s.outbound)
        assert c.get(f"/say?id={i}")[0] == 200
        held.append(c)
    each = (rss(s) - before) / COUNT
    print(f"{COUNT} idle connections: {before} KiB before, {rss(s)} KiB with them: {each:.1f} KiB each", flush=True)
    for c in held:
        assert c.get("/say?id=again")[0] == 200  # they are alive
    print(f"after another request each: {(rss(s) - before) / COUNT:.1f} KiB each", flush=True)
    for c in held:
        c.close()
    held.clear()
    s.stop()
    s.verify()
    assert each <= 45, "more than 45 KiB each"


def names(ca, site):
    s = sidecar(ca, "--tls-leaf-cache", CACHE)
    marks = {}
    for i in range(NAMES):
        c = Client(s.context, site.tls_port, name=f"n{i}.site.test", through=s.outbound)
        assert c.get("/say?id=1")[0] == 200
        c.close()
        if i + 1 in (CACHE, 2 * CACHE, NAMES // 2, NAMES):
            marks[i + 1] = rss(s)
    minted = int(s.metric("tapedeck_tls_minted_total"))
    print(f"{NAMES} names, a cache of {CACHE}: {minted} minted, KiB by names: {marks}", flush=True)
    assert minted == NAMES, "names that were minted"
    s.stop()
    s.verify()
    # By then the cache is full, and so are the sessions of servers, whose ceiling is 1,000.
    assert NAMES // 2 >= max(CACHE, 1000), "too few names to tell"
    assert marks[NAMES] - marks[NAMES // 2] < 3072, "it goes on growing"


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    ca = Authority()
    site = Site(folder(), *ca.issue("site.test", "*.site.test"))
    idle(ca, site)
    gc.collect()
    names(ca, site)


main()
