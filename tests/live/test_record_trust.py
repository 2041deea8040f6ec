"""tapedeck record and tapedeck env where the user trusts authorities that the system does not have, and where it has none."""
import contextlib
import os
import re
import sqlite3

from authority import Authority, PythonTls
from harness import TAPEDECK, Origin, equal, folder, need, run

CURL = ("curl", "-sS")


class Place:
    """A folder to record in, without what the machine that tests trusts by variables."""

    def __init__(self, **more):
        self.dir = folder()
        env = {k: v for k, v in os.environ.items()
               if not re.search("_proxy$|_ca_|_cert|_cainfo$|_ssl_|^java|^tapedeck|rc$", k, re.IGNORECASE)}
        places = ("XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CACHE_HOME", "TMPDIR", "HOME")
        private = folder()
        os.chmod(private, 0o755)
        self.env = {**env, **dict.fromkeys(places, private), **more}

    def record(self, *argv, options=()):
        return run(TAPEDECK, "record", "--capture", "c.db", *options, "--", *argv, check=False, cwd=self.dir, env=self.env)

    def rows(self, sql):
        with contextlib.closing(sqlite3.connect(f"file:{self.dir}/c.db?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()


def says(r, text):
    err = r.stderr.decode()
    assert text in err, f"not told: {text}\nbut: {err}"


def fetched(p, url, mode, options=()):
    """What curl got is what the server said, and how the capture has it."""
    r = p.record(*CURL, url, options=options)
    equal((r.returncode, r.stdout), (0, b"hello"), f"{mode}: {r.stderr.decode()}")
    equal(p.rows("SELECT mode FROM handshakes"), [(mode,)], "handshakes")
    return r


def own_authority(corp, url):
    """An authority that curl knows by a variable, which we set ourselves, and the system does not."""
    equal(Place().record(*CURL, url).returncode, 60, "curl, which does not know the server's authority")
    fetched(Place(CURL_CA_BUNDLE=corp.cert), url, "intercepted")
    fetched(Place(CURL_CA_BUNDLE=corp.cert), url, "opaque", ("--sidecar", "tls-pass=*"))
    fetched(Place(PIP_CERT=corp.cert), url, "intercepted")
    # A folder, as requests takes it; what is damaged in it does not count.
    hashed = folder()
    name = run("openssl", "x509", "-in", corp.cert, "-noout", "-subject_hash").stdout.decode().strip()
    os.symlink(corp.cert, os.path.join(hashed, name + ".0"))
    os.symlink("/nowhere", os.path.join(hashed, "12345678.0"))
    fetched(Place(REQUESTS_CA_BUNDLE=hashed), url, "intercepted")
    # Node.js adds it to its own; others may be named there that we have as well.
    p = Place(NODE_EXTRA_CA_CERTS=corp.cert)
    r = p.record("sh", "-c", 'cat "$NODE_EXTRA_CA_CERTS"; echo; cat "$SSL_CERT_FILE"')
    with open(corp.cert, encoding="ascii") as f:
        equal(r.stdout.decode().count(f.read()), 2, "the authority in ca.pem and roots.pem")
    p = Place(NODE_EXTRA_CA_CERTS=corp.cert)
    r = p.record("sh", "-c", f'curl -sS --cacert "$NODE_EXTRA_CA_CERTS" {url}')
    equal((r.returncode, r.stdout), (0, b"hello"), "ours is in ca.pem")


def own_and_given(corp, other, url):
    """What the sidecar's environment names is not lost by it."""
    p = Place(CURL_CA_BUNDLE=other.cert, TAPEDECK_UPSTREAM_CA=corp.cert)
    fetched(p, url, "intercepted")


def damaged(url):
    """What cannot be read is told, and ends nothing."""
    text = os.path.join(folder(), "text")
    with open(text, "w", encoding="ascii") as f:
        f.write("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    r = Place(AWS_CA_BUNDLE=text, GIT_SSL_CAINFO="/nowhere").record(*CURL, url)
    equal(r.returncode, 0, f"curl: {r.stderr.decode()}")
    says(r, f"AWS_CA_BUNDLE is not heeded: {text}: certificate 1 is damaged")
    says(r, "GIT_SSL_CAINFO is not heeded: cannot read /nowhere: No such file or directory")


def nothing_trusted(corp, plain, url):
    """A system without authorities: what is plain is recorded, TLS goes by as it is."""
    none = {"SSL_CERT_FILE": "/nowhere", "SSL_CERT_DIR": "/nowhere"}
    r = Place(**none).record(*CURL, plain)
    equal((r.returncode, len(r.stdout)), (0, 20), f"curl: {r.stderr.decode()}")
    says(r, "what is recorded can do without them")
    p = Place(**none)
    r = p.record(*CURL, "--cacert", corp.cert, url)
    equal((r.returncode, r.stdout), (0, b"hello"), f"curl: {r.stderr.decode()}")
    equal(p.rows("SELECT why FROM handshakes WHERE mode = 'opaque'"), [("server-untrusted",)], "handshakes")


def printed(corp):
    """tapedeck env tells what the sidecar has to be given."""
    p = Place(CURL_CA_BUNDLE=corp.cert)
    trust = os.path.join(p.dir, "trust")
    r = run(TAPEDECK, "env", "--trust-dir", trust, env=p.env)
    says(r, f"--upstream-ca={trust}/upstream.pem")
    with open(corp.cert, encoding="ascii") as a, open(os.path.join(trust, "upstream.pem"), encoding="ascii") as b:
        equal(b.read(), a.read(), "upstream.pem")
    r = run(TAPEDECK, "env", "--trust-dir", trust, env=Place().env)
    equal(r.stderr, b"", "nothing to tell")
    assert not os.path.exists(os.path.join(trust, "upstream.pem")), "it stayed"


def main():
    need("curl", "openssl")
    corp, other, origin = Authority("a company's"), Authority("another"), Origin()
    server = PythonTls(corp.leaf())
    url, plain = f"https://localhost:{server.port}/x", f"http://localhost:{origin.port}/load?id=2&req=0&res=20"
    own_authority(corp, url)
    own_and_given(corp, other, url)
    damaged(plain)
    nothing_trusted(corp, plain, url)
    printed(corp)
    print("trust: fine")


main()
