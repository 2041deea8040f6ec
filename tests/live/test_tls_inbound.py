"""Inbound TLS ends at the sidecar with the workload's own certificate: clients see the same one, the capture has plain HTTP,
files that are replaced are taken and no connection is dropped; TLS again behind; certificates of clients."""
import os
import ssl
import time

from authority import Authority
from harness import Sidecar, equal, folder, run, until
from tls_site import Client, Site, client_context

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def sidecar(port, cert, key, *more):
    return Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                   port, "--in-bind", "127.0.0.1", "--tls-in-public", cert, "--tls-in-private", key, "--user", "0",
                   *more).start()


def same_certificate(ca, site, files):
    cert, key = files
    s = sidecar(site.port, cert, key)
    for version in VERSIONS:
        context = client_context(ca.cert, version=version)
        direct, ours = Client(context, site.tls_port), Client(context, s.inbound)
        equal(ours.fingerprint(), direct.fingerprint(), "the certificate that clients see")
        equal(ours.s.version(), direct.s.version(), "the version")
        for path in ("/page.html", "/big.bin", "/nothing"):
            equal(ours.get(path), direct.get(path), path)
        ours.s.unwrap().close()  # close_notify from both ends
        direct.close()
    plain = run("curl", "-sSf", f"http://127.0.0.1:{s.inbound}/page.html").stdout
    r = run("curl", "-sSf", "--cacert", ca.cert, "--resolve", f"site.test:{s.inbound}:127.0.0.1",
            f"https://site.test:{s.inbound}/page.html")
    equal(r.stdout, plain, "curl over TLS, and plain, on the same port")
    s.committed(8)
    s.stop()
    equal(s.rows("SELECT scheme, count(*) FROM txn GROUP BY 1 ORDER BY 1"), [("http", 1), ("https", 7)], "schemes")
    equal(s.rows("SELECT DISTINCT mode, why, sni, version, client_version FROM handshakes ORDER BY client_version"),
          [("terminated", "", "site.test", "", "1.2"), ("terminated", "", "site.test", "", "1.3")], "handshakes")
    txn = s.one("SELECT id FROM txn WHERE path = '/big.bin'")
    with open(os.path.join(site.root, "big.bin"), "rb") as f:
        equal(s.body(txn, "res"), f.read(), "what the capture has of /big.bin")
    equal(s.one("SELECT count(*) FROM http WHERE url LIKE 'https://site.test%'"), 7, "their addresses")
    text = s.verify()
    assert "was opened in 3 flows" in text, text
    print("the same certificate; the capture is plain")


def replaced(ca, site):
    """Kept and busy connections outlive the change, and new ones see the new certificate."""
    where = folder()
    cert, key = os.path.join(where, "tls.crt"), os.path.join(where, "tls.key")

    def put(files):
        for file, to in zip(files, (cert, key)):
            run("cp", file, to + ".new")
            os.rename(to + ".new", to)

    put(ca.issue("site.test"))
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                site.port, "--in-bind", "127.0.0.1", "--tls-in-secret", where, "--user", "0").start()
    context = client_context(ca.cert)
    kept, busy = Client(context, s.inbound), Client(context, s.inbound)
    old = kept.fingerprint()
    equal(kept.get("/page.html")[0], 200, "the first request")
    busy.ask("/big.bin")  # whose answer nobody reads for now
    put(ca.issue("site.test"))

    def changed():
        c = Client(context, s.inbound)
        c.get("/page.html")
        got = c.fingerprint()
        c.close()
        return got if got != old else None

    new = until("the new certificate", changed, 15)
    equal(kept.get("/page.html")[0], 200, "a request on a connection from before")
    with open(os.path.join(site.root, "big.bin"), "rb") as f:
        equal(busy.answer(), (200, f.read()), "an answer that was under way")
    r = run("openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-sha256").stdout.decode()
    equal(new, r.strip().split("=")[1].replace(":", "").lower(), "its fingerprint")
    # Half a change, and one that is none: the old ones stay, and that is said once.
    with open(key + ".new", "w", encoding="ascii") as f:
        f.write("no key\n")
    os.rename(key + ".new", key)
    until("the word of a key that is none", lambda: "the old ones stay" in s.log_text())
    c = Client(context, s.inbound)
    equal(c.fingerprint(), new, "the certificate behind a change that cannot be used")
    time.sleep(2.5)
    equal(s.log_text().count("the old ones stay"), 1, "how often that is said")
    s.stop()
    s.verify()
    print("certificates are replaced under way")


def tls_behind(ca, site, files):
    cert, key = files
    s = sidecar(site.tls_port, cert, key, "--tls-in-upstream", "tls")
    c = Client(client_context(ca.cert), s.inbound)
    equal(c.get("/say?id=7"), (200, b"said 7 TLSv1.3\n"), "TLS behind us")
    c.close()
    s.stop()
    equal(s.rows("SELECT mode, version, client_version, subject FROM handshakes"),
          [("terminated", "1.3", "1.3", None)], "handshakes")
    s.verify()
    # A workload that speaks no TLS: the request is answered in its place.
    s = sidecar(site.port, cert, key, "--tls-in-upstream", "tls")
    c = Client(client_context(ca.cert), s.inbound)
    equal(c.get("/say")[0], 502, "no TLS behind us")
    c.close()
    s.stop()
    equal(s.rows("SELECT scheme, status, by_proxy FROM txn"), [("https", 502, 1)], "its transaction")
    mode, why = s.rows("SELECT mode, why FROM handshakes")[0]
    assert mode == "failed" and "no TLS" in why, (mode, why)
    s.verify()
    print("TLS again behind")


def clients_certificates(ca, site, files):
    cert, key = files
    mine = ca.leaf("a client", "DNS:client", usage="clientAuth")
    s = sidecar(site.port, cert, key, "--tls-in-ca", ca.cert)
    context = client_context(ca.cert)
    try:
        c = Client(context, s.inbound)
        c.get("/say")
        raise AssertionError("a client without a certificate was served")
    except (ssl.SSLError, ConnectionError):
        pass
    context.load_cert_chain(*mine)
    c = Client(context, s.inbound)
    equal(c.get("/say?id=1")[0], 200, "with a certificate")
    c.close()
    s.stop()
    equal(s.rows("SELECT mode, subject FROM handshakes ORDER BY time"), [("failed", None), ("terminated", "CN=a client")],
          "handshakes")
    equal(s.one("SELECT count(*) FROM txn"), 1, "transactions")
    s.verify()
    print("certificates of clients")


def main():
    ca = Authority()
    files = ca.issue("site.test")
    root = folder()
    with open(os.path.join(root, "page.html"), "w", encoding="ascii") as f:
        f.write("<p>a page</p>\n")
    with open(os.path.join(root, "big.bin"), "wb") as f:
        f.write(os.urandom(3 << 20))
    site = Site(root, *files)
    site.root = root
    same_certificate(ca, site, files)
    replaced(ca, site)
    tls_behind(ca, site, files)
    clients_certificates(ca, site, files)


main()
