"""Servers whose TLS is bad in one way each: clients succeed or fail as without us, and the capture and the log say why."""
import os
import re
import sys

from authority import Authority, PythonTls, self_signed
from harness import TAPEDECK, Sidecar, equal, folder, need, run

# Of a request: its answer, or what is wrong in the client's own words.
PYTHON = r"""
import http.client, ssl, sys
port, proxy, roots, cert, key, weak, crl = sys.argv[1:]
c = ssl.create_default_context(cafile=roots)
if cert:
    c.load_cert_chain(cert, key)
if weak:
    c.set_ciphers("DEFAULT:@SECLEVEL=0")
    c.minimum_version = ssl.TLSVersion.TLSv1
if crl:
    c.load_verify_locations(crl)
    c.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
h = http.client.HTTPSConnection("127.0.0.1" if proxy else "localhost", int(proxy or port), context=c, timeout=30)
if proxy:
    h.set_tunnel("localhost", int(port))
try:
    h.request("GET", "/x")
    print("answer", h.getresponse().read().decode())
except ssl.SSLCertVerificationError as e:
    print("certificate", e.verify_code, e.verify_message)
except ssl.SSLError as e:
    print("tls", e.reason)
except OSError as e:
    print("error", type(e).__name__)
"""


class World:
    def __init__(self):
        self.authority, self.other = Authority(), Authority("nobody's authority")
        self.own = folder()
        os.chmod(self.own, 0o700)
        run(TAPEDECK, "ca", "init", "--tls-ca-dir", self.own)
        # Clients trust both, so that nothing but the server makes a difference.
        self.roots = os.path.join(folder(), "roots.pem")
        with open(self.roots, "wb") as out:
            for path in (self.authority.cert, os.path.join(self.own, "tapedeck-ca.crt")):
                with open(path, "rb") as f:
                    out.write(f.read())
        self.me = self.authority.leaf("me", "DNS:me.test", usage="clientAuth")
        self.revoked = self.authority.leaf()
        self.crl = self.authority.crl(self.revoked[0])

    def sidecar(self, *options):
        return Sidecar("--proxy-type", "forward", "--tls-out", "--tls-ca-dir", self.own, "--upstream-ca", self.authority.cert,
                       "--upstream-crl", self.crl, *options).start()


# ---- the clients: (world, port, proxy's port or "", how) → what came of it

def curl(world, port, proxy, how):
    options = []
    if "me" in how:
        options += ["--cert", world.me[0], "--key", world.me[1]]
    if "weak" in how:
        options += ["--ciphers", "DEFAULT:@SECLEVEL=0", "--tlsv1.0"]
    if "crl" in how:
        options += ["--crlfile", world.crl]
    r = run("curl", "-sS", "--cacert", world.roots, *options, *(["-x", f"http://127.0.0.1:{proxy}"] if proxy else []),
            f"https://localhost:{port}/x", check=False)
    said = r.stderr.decode().split("\n")[0]
    # Whether a refusal that comes with the answer is met in writing or in reading is chance.
    return ("refused",) if r.returncode in (55, 56) else (r.returncode, r.stdout, said)


def python(world, port, proxy, how):
    r = run(sys.executable, "-W", "ignore", "-c", PYTHON, port, proxy, world.roots, *(world.me if "me" in how else ("", "")),
            "weak" if "weak" in how else "", world.crl if "crl" in how else "")
    said = r.stdout.decode().strip()
    # It has no word for that alert, and whether the reset behind it comes first is chance.
    return "refused" if re.search("CERTIFICATE_REQUIRED|tls None|error (ConnectionReset|BrokenPipe)", said) else said


def s_client(world, port, proxy, how):
    options = []
    if "me" in how:
        options += ["-cert", world.me[0], "-key", world.me[1]]
    if "weak" in how:
        options += ["-cipher", "DEFAULT:@SECLEVEL=0", "-min_protocol", "TLSv1"]
    if "crl" in how:
        options += ["-CRL", world.crl, "-crl_check"]
    r = run("openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", world.roots, "-servername", "localhost",
            "-verify_hostname", "localhost", *options, *(["-proxy", f"127.0.0.1:{proxy}"] if proxy else []), "-connect",
            f"localhost:{port}", input=b"GET /x HTTP/1.0\r\n\r\n", check=False)
    said = re.findall(r"verify error:.*|:error:[^:]*:[^:]*:[^:]*:[^:]*|hello.*", (r.stderr + r.stdout).decode())
    return "refused" if any("certificate required" in s for s in said) else (r.returncode, said)


CLIENTS = (curl, python, s_client)


class Case:
    """A server; why and cause: of the capture where the certificate is held against what it must be (strict)."""

    def __init__(self, name, pair, why, cause="server-untrusted", hows=((),), **server):
        self.name, self.why, self.cause, self.hows = name, why, cause, hows
        self.port = PythonTls(pair, **server).port


def cases(world):
    a = world.authority
    mutual = {"clients": a.cert, "cause": "client-cert-wanted", "hows": ((), ("me",))}
    return [
        Case("expired", a.leaf(dates=("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")), "^certificate has expired: CN="),
        Case("not valid yet", a.leaf(dates=("-startdate", "20900101000000Z", "-enddate", "20900201000000Z")), "is not yet valid: CN="),
        Case("another name", a.leaf(names="DNS:other.test"), "^hostname mismatch: .* which is for other.test"),
        Case("self-signed", self_signed(), "^self-signed certificate: CN=localhost"),
        Case("an unknown authority", world.other.leaf(), "^unable to get local issuer certificate: .*CN=nobody's authority"),
        Case("revoked", world.revoked, "^certificate revoked: CN=", hows=((), ("crl",))),
        Case("a weak key", a.leaf(key=("-newkey", "rsa:1024")), "^EE certificate key too weak: ", hows=((), ("weak",))),
        Case("TLS 1.0 alone", a.leaf(), r"alert 70 \(protocol version\)", cause="protocol", hows=((), ("weak",)), least="TLSv1",
             most="TLSv1"),
        Case("a client certificate wanted, TLS 1.2", a.leaf(), "certificate", most="TLSv1_2", **mutual),
        Case("a client certificate wanted, TLS 1.3", a.leaf(), "certificate", least="TLSv1_3", **mutual),
        Case("a client certificate asked for", a.leaf(), "certificate", must="CERT_OPTIONAL", **mutual),
    ]


def shakes(s):
    return s.rows("SELECT mode, why, reason, detail FROM handshakes ORDER BY at_us, id")


def strict(world, case):
    for how in case.hows:
        for client in CLIENTS:
            what = f"{case.name}, {client.__name__} {' '.join(how)}"
            direct = client(world, case.port, "", how)
            s = world.sidecar()
            for _ in range(2):
                equal(client(world, case.port, s.outbound, how), direct, what)
            s.stop()
            first, *rest = sorted(shakes(s), key=lambda r: r[0] != "failed")
            equal((first[0], first[2], first[3]), ("failed", "tls-server", first[1]), what + ", handshakes")
            assert re.search(case.why, first[1]), f"{what}: {first[1]}"
            rest = [r[:2] for r in rest if r != first]  # of a protocol nothing is learned
            equal(rest, [("opaque", case.cause)] * 2, what + ", handshakes")
            log = s.log_text()
            assert re.search(rf'passed through.* host=localhost port={case.port} cause={case.cause} why="{re.escape(first[1])}"', log), log
            s.verify()
    print(f"{case.name}: as direct, and recorded why", flush=True)


def lenient(world, case):
    """warn and off: our client sees a good certificate."""
    for verify in ("warn", "off"):
        s = world.sidecar("--upstream-verify", verify)
        for client in CLIENTS:
            got = client(world, case.port, s.outbound, ())
            assert "hello" in str(got), f"{case.name}, {verify}, {client.__name__}: {got}\n{s.log_text()}"
        s.stop()
        rows = shakes(s)
        equal([r[0] for r in rows], ["intercepted"] * len(CLIENTS), f"{case.name}, {verify}")
        for _, why, _, _ in rows:
            assert re.search(case.why, why) if verify == "warn" else why == "", f"{case.name}, {verify}: {why}"
        equal(s.rows("SELECT DISTINCT scheme, path, status FROM http"), [("https", "/x", 200)], f"{case.name}, {verify}")
        s.verify()
    print(f"{case.name}: taken with --upstream-verify warn and off", flush=True)


def mutual(world, case):
    s = world.sidecar("--tls-mutual", f"localhost={world.me[0]},{world.me[1]}")
    for client in CLIENTS:
        got = client(world, case.port, s.outbound, ())
        assert "hello you" in str(got), f"{case.name}, {client.__name__}: {got}\n{s.log_text()}"
    s.stop()
    equal([r[:2] for r in shakes(s)], [("intercepted", "")] * len(CLIENTS), case.name + ", --tls-mutual")
    equal(s.one("SELECT count(*) FROM http WHERE scheme = 'https' AND status = 200"), len(CLIENTS), case.name + ", recorded")
    s.verify()
    print(f"{case.name}: answered with --tls-mutual", flush=True)


def main():
    need("curl", "openssl")
    world = World()
    for case in cases(world):
        if sys.argv[1:] and not any(re.search(a, case.name) for a in sys.argv[1:]):
            continue
        strict(world, case)
        if case.cause == "server-untrusted":
            lenient(world, case)
        elif case.cause == "client-cert-wanted":
            mutual(world, case)
    print("bad servers: fine")


main()
