"""Clients of https, once direct and once through interception: equal results, then found decrypted in the capture."""
import hashlib
import os
import re
import subprocess
import sys
from urllib.parse import urlsplit

from authority import Authority, TlsNginx
from harness import Sidecar, equal, folder, need
from tls_clients import SITE, SITE_SHOWS, all_clients, web_root

FILES = ("page.html", "big.bin", "data.json")
PATHS = FILES + ("gzip", "moved", "missing")
PROTOCOLS = {"h2": "PRI * HTTP/2.0"}  # that are recorded decrypted, as conversations


class World:
    def __init__(self):
        self.root, self.authority = web_root(), Authority()
        cert, key = self.authority.leaf()
        pair = f"ssl_certificate {cert}; ssl_certificate_key {key};"
        self.nginx = TlsNginx(self.root, {"1.2": pair + "ssl_protocols TLSv1.2;", "1.3": pair + "ssl_protocols TLSv1.3;",
                                          "http2 1.3": pair + "ssl_protocols TLSv1.2 TLSv1.3;"})
        self.own = folder()  # our authority, the same for all
        os.chmod(self.own, 0o700)

    def sidecar(self, kind, site):
        options = ("--proxy-protocol", "socks") if kind == "socks5h" else ()
        if kind == "map":
            options = ("--map", f"0=localhost:{self.nginx.ports[site]}")
        return Sidecar("--proxy-type", "forward", "--tls-out", "--tls-ca-dir", self.own, "--upstream-ca", self.authority.cert,
                       *options).start()

    @property
    def ca(self):
        return os.path.join(self.own, "tapedeck-ca.crt")

    def sha(self, path):
        with open(os.path.join(self.root, path), "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()


def wanted_of(client):
    """What must be in the capture: (path, status), and the files whose bodies must be."""
    if client.name == "git":
        return {("/repo.git/info/refs", 200), ("/repo.git/HEAD", 200)}, ()
    if client.name == "chromium":
        return {(f"/site/{n}", 200) for n in (*SITE, "image.png")}, [f"site/{n}" for n in (*SITE, "image.png")]
    rows = {("/page.html", 200), ("/big.bin", 200), ("/data.json", 200), ("/gzip", 200), ("/moved", 302), ("/missing", 404)}
    return rows, FILES


def recorded(world, s, client, site, host):
    """The capture has it decrypted."""
    port = world.nginx.ports[site]
    shakes = s.rows("SELECT mode, why, sni, version, client_version, alpn, target, reason FROM handshakes WHERE target LIKE ?",
                    f"%:{port}")
    assert shakes, "no handshake is in the capture"
    for mode, why, sni, version, client_version, alpn, target, reason in shakes:
        if (client.name, mode) == ("chromium", "refused"):
            continue  # one of those that it has in store, and was closed as soon as it was open
        equal((mode, why), ("intercepted", ""), f"a handshake ({reason})")
        # Java sends no name that has no dot, and resolves it by itself for SOCKS.
        if "HttpURLConnection" not in client.name:
            equal((sni, target), ("localhost", f"localhost:{port}"), "server name and target")
        equal(version, "1.2" if "1.2" in (site, client.only) else "1.3", "version to the server")
        assert client_version in ("1.2", "1.3") and (client.only is None or client_version == client.only), client_version
        assert alpn in ("", "http/1.1", "h2"), alpn
    if shakes[0][5] in PROTOCOLS:
        said = b"".join(r[0] for r in s.rows("SELECT bytes FROM part WHERE s2c = 0 ORDER BY at"))
        assert said.startswith(PROTOCOLS[shakes[0][5]].encode()), said[:40]
        return "h2"
    rows, files = wanted_of(client)
    # Chromium asks some of its own people's hosts whatever one says.
    got = s.rows("SELECT scheme, host, path, status, state FROM http WHERE protocol = 'http' AND target LIKE ?",
                 f"%:{port}")
    equal({(r[0], r[1], r[4]) for r in got}, {("https", host, "complete")}, "scheme, host and state")
    missing = rows - {(r[2], r[3]) for r in got}
    assert not missing, f"not in the capture: {missing}; but {got}"
    kept = {r[0] for r in s.rows("SELECT lower(hex(digest)) FROM body")}
    for path in files:
        assert world.sha(path) in kept, f"the body of {path} is not in the capture"
    return shakes[0][5] or "no ALPN"


def urls_at(base):
    return [f"{base}/{p}" for p in PATHS]


def through(world, client, kind, site, direct):
    what = f"{client.name}, TLS {site}, {'by ' + kind if kind == 'map' else 'over ' + kind}"
    s = world.sidecar(kind, site)
    base, proxy = world.nginx.url(site), f"{kind}://127.0.0.1:{s.outbound}"
    if kind == "map":
        base, proxy = "https://localhost:" + s.ready["maps"][0].split("=")[0].rsplit(":", 1)[1], ""
    try:
        got = client.run(urls_at(base), world.ca, proxy)
    except subprocess.TimeoutExpired as e:
        raise AssertionError(f"{what}: hangs") from e
    s.stop()
    assert got == direct, f"{what}: got {got[0]} {got[1][-600:]}, direct {direct[0]} {direct[1][-600:]}\n{client.said}\n{s.log_text()}"
    try:
        how = recorded(world, s, client, site, urlsplit(base).netloc)
    except AssertionError as e:
        raise AssertionError(f"{what}: {e}\n{s.log_text()}") from e
    s.verify()
    print(f"{what}: as direct, and recorded ({how})", flush=True)


def main():
    need("curl", "nginx", "openssl")
    world = World()
    for client in all_clients():
        if sys.argv[1:] and not any(re.search(a, client.name) for a in sys.argv[1:]):
            continue
        for site in world.nginx.ports:
            if client.only not in (None, site):
                continue
            direct = client.run(urls_at(world.nginx.url(site)), world.authority.cert)
            assert direct[1], f"{client.name}, direct: {direct[0]} {client.said}"
            if client.name == "chromium":
                assert all(text in direct[1] for text in SITE_SHOWS), direct[1]
            for kind in client.proxies:
                through(world, client, kind, site, direct)
    print("clients of https: fine")


main()
