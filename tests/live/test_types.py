"""All twenty pairs of type and protocol: the legal ones relay, the others are refused with the legal pairs named."""
import subprocess

from harness import TAPEDECK, Origin, Sidecar, equal, folder, run

TYPES = ("transparent", "reverse", "forward", "dual")
PROTOCOLS = ("tcp", "http", "socks", "tcp:http", "tcp:socks")
LEGAL = {
    "reverse": ("tcp", "http", "socks"),
    "forward": ("http", "socks"),
    "dual": ("http", "socks", "tcp:http", "tcp:socks"),
}


def fetch(port, how, origin):
    """One request through the listener that speaks `how`."""
    url = f"http://127.0.0.1:{origin.port}/through/{how}"
    if how in ("tcp", "reverse-http"):
        argv = ["curl", "-sS", f"http://127.0.0.1:{port}/through/{how}"]
    elif how == "http":
        argv = ["curl", "-sS", "--proxy", f"http://127.0.0.1:{port}", url]
    else:
        argv = ["curl", "-sS", "--proxy", f"socks5h://127.0.0.1:{port}", url]
    r = run(*argv, "-w", "%{http_code}", timeout=20)
    equal(r.stdout.decode()[-3:], "200", f"{how} through port {port}")


def legal(kind, protocol, origin):
    s = Sidecar("--proxy-type", kind, "--proxy-protocol", protocol, "--proxy-host", "127.0.0.1",
                "--proxy-port", origin.port, "--in-bind", "127.0.0.1").start()
    inner, _, outer = protocol.partition(":")
    outer = outer or inner
    wanted = 0
    if kind in ("reverse", "dual"):
        fetch(s.inbound, "reverse-http" if inner == "http" else inner, origin)
        wanted += 1
    else:
        equal(s.ready["in"], None, "a forward proxy's inbound listener")
    if kind in ("forward", "dual"):
        fetch(s.outbound, outer, origin)
        wanted += 1
    else:
        equal(s.ready["out"], None, "a reverse proxy's outbound listener")
    s.stop()
    equal(s.one("SELECT count(*) FROM http WHERE protocol = 'http' AND status = 200"), wanted, f"{kind} {protocol}: rows")
    s.verify()


def illegal(kind, protocol):
    r = subprocess.run([TAPEDECK, "run", "--proxy-type", kind, "--proxy-protocol", protocol, "--capture",
                        folder() + "/c.db", "--admin-listen", "off"], capture_output=True, timeout=20, check=False)
    text = r.stderr.decode()
    equal(r.returncode, 2, f"{kind} {protocol}: exit code ({text})")
    for p in LEGAL[kind]:
        assert p in text, f"{kind} {protocol}: the refusal does not name {p}: {text}"


def main():
    origin = Origin()
    for kind in TYPES:
        for protocol in PROTOCOLS:
            if kind == "transparent":
                r = subprocess.run([TAPEDECK, "run", "--proxy-type", kind, "--proxy-protocol", protocol, "--capture",
                                    folder() + "/c.db", "--admin-listen", "off"], capture_output=True, timeout=20,
                                   check=False)
                equal(r.returncode, 2, f"transparent {protocol}")
                assert b"transparent" in r.stderr, r.stderr
            elif protocol in LEGAL[kind]:
                legal(kind, protocol, origin)
            else:
                illegal(kind, protocol)
            print(kind, protocol, "as it should be")


main()
