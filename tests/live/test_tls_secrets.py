"""Private keys stay where they are: not in logs at level trace, not in the capture, the spool or other files of ours; no core dumps
where they are loaded; a key of our authority that others can read is refused, one of a mounted secret is warned about."""
import base64
import os
import re
import ssl

from authority import Authority
from harness import TAPEDECK, Sidecar, equal, folder, run, until
from tls_site import Client, Site, client_context


def forms(key_file):
    """What a private key could look like where it must not be."""
    with open(key_file, encoding="ascii") as f:
        lines = [line for line in f.read().splitlines() if line and "-----" not in line]
    der = base64.b64decode("".join(lines))
    text = run("openssl", "pkey", "-in", key_file, "-noout", "-text").stdout.decode()
    scalar = bytes.fromhex(re.sub(r"[:\s]", "", re.search(r"priv:\n((?:\s+[0-9a-f:]+\n)+)", text).group(1)))[-32:]
    assert scalar in der, "openssl tells of another key"
    return {"base64": lines[0].encode(), "scalar": scalar,
            "hex": scalar.hex().encode(), "HEX": scalar.hex().upper().encode(), "with colons": scalar.hex(":").encode(),
            "scalar in base64": base64.b64encode(scalar)[:40]}


def search(where, keys, but):
    """Every file below where, but those."""
    searched = 0
    for root, _, files in os.walk(where):
        for name in files:
            path = os.path.join(root, name)
            if path in but or not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                content = f.read()
            searched += len(content)
            assert b"PRIVATE KEY" not in content, f"{path} has a private key"
            for key in keys:
                for form, value in forms(key).items():
                    assert value not in content, f"{path} has {key} ({form})"
    return searched


def limit(pid, name):
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        for line in f:
            if line.startswith(name):
                return line[26:].split()[:2]
    raise AssertionError(name)


def everything_on(ca, site, files):
    where = folder()
    cert, key = files
    mine = ca.leaf("a client", "DNS:client", usage="clientAuth")
    s = Sidecar("--proxy-type", "dual", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port", site.port,
                "--in-bind", "127.0.0.1", "--tls-in-public", cert, "--tls-in-private", key, "--tls-in-ca", ca.cert,
                "--tls-in-client", "ask", "--tls-out", "--tls-ca-dir", where + "/ca", "--upstream-ca", ca.cert,
                "--tls-mutual", f"*={mine[0]},{mine[1]}", "--user", "0", "--log-level", "trace", "--log-topics", "all",
                "--spool-dir", where + "/spool", "--spool-size", "8MiB", where=where)
    s.start()
    ours = os.path.join(where, "ca", "tapedeck-ca.crt")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for context, through in ((client_context(ours, version=version), s.outbound),
                                 (client_context(ca.cert, version=version), None)):
            for _ in range(2):
                c = Client(context, site.tls_port if through else s.inbound, through=through)
                equal(c.get("/say?id=1")[0], 200, "an answer")
                c.close()
    try:  # what goes wrong is logged as well
        Client(client_context(ca.cert), site.port, through=s.outbound)
    except (OSError, ssl.SSLError):
        pass
    equal(limit(s.ready["proxy"], "Max core file size"), ["0", "0"], "core dumps of the proxy")
    keys = [key, mine[1], os.path.join(where, "ca", "tapedeck-ca.key")]
    s.committed(8)
    assert "flow state" in s.log_text(), "the log is not at level trace"
    size = search(where, keys, {keys[2]})
    s.stop()
    size += search(where, keys, {keys[2]})
    s.verify()
    equal(os.stat(keys[2]).st_mode & 0o777, 0o600, "the mode of our authority's key")
    print(f"no key in {size} bytes of logs, spool and capture")
    return where


def modes(where, site, files):
    ca_key = os.path.join(where, "ca", "tapedeck-ca.key")
    os.chmod(ca_key, 0o640)
    argv = [os.path.join(os.path.dirname(TAPEDECK), "tapedeck-proxy"), "--proxy-type", "forward", "--tls-out", "--tls-ca-dir",
            where + "/ca", "--proxy-out-port", "0", "--admin-listen", "off", "--user", "0"]
    r = run(*argv, check=False)
    text = r.stderr.decode()
    assert r.returncode != 0 and "tapedeck-ca.key" in text, (r.returncode, text)
    print("refused:", text.strip().splitlines()[-1])
    cert, key = files
    os.chmod(key, 0o644)
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port", site.port,
                "--in-bind", "127.0.0.1", "--tls-in-public", cert, "--tls-in-private", key, "--user", "0").start()
    until("the warning", lambda: "others have access to a key" in s.log_text())
    s.stop()
    print("warned about: a mounted key that others can read")


def main():
    ca = Authority()
    files = ca.issue("site.test")
    site = Site(folder(), *files)
    modes(everything_on(ca, site, files), site, files)


main()
