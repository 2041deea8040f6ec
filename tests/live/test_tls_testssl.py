"""testssl.sh against the side that answers clients: nothing above "low". It is asked by way of termination, whose handshakes are those of
interception: a scanner's half connections look like clients that refuse our certificate, who are passed through.
"""
import json
import os
import shutil

from authority import Authority
from harness import Origin, Sidecar, equal, folder, run, skip

CHECKS = ("-p", "-R", "-C", "-H", "-I", "-T", "-BB", "-O", "-Z", "-W", "-A", "-F", "-J")
FINE = ("INFO", "OK", "LOW", "WARN")  # WARN: what it cannot check here
MUST = {"TLS1_2": "offered", "TLS1_3": "offered with final", "SSLv2": "not offered", "SSLv3": "not offered", "TLS1": "not offered",
        "TLS1_1": "not offered", "secure_renego": "supported", "secure_client_renego": "not vulnerable", "CRIME_TLS": "not vulnerable"}


def main():
    program = shutil.which("testssl") or shutil.which("testssl.sh")
    if not program:
        skip("no testssl")
    authority, origin = Authority(), Origin()
    cert, key = authority.leaf()
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port", origin.port,
                "--in-bind", "127.0.0.1", "--tls-in-public", cert, "--tls-in-private", key).start()
    out = os.path.join(folder(), "found.json")
    run(program, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--fast", "--add-ca", authority.cert, "--jsonfile", out,
        *CHECKS, f"localhost:{s.inbound}", check=False, timeout=500)
    with open(out, encoding="utf-8") as f:
        found = json.load(f)
    bad = [(f["severity"], f["id"], f["finding"]) for f in found if f["severity"] not in FINE]
    assert not bad, bad
    said = {f["id"]: f["finding"] for f in found}
    for name, finding in MUST.items():
        equal(said.get(name), finding, name)
    s.stop()
    s.verify()
    print(f"testssl: {len(found)} findings, none above low")


main()
