"""--map: a port that stands for one server, for clients that know no proxies; the port stays when the proxy dies."""
import json
import os
import shutil
import signal
import socket

from authority import Authority, PythonTls
from harness import Origin, Sidecar, equal, folder, free_port, need, run, until


def over_tls():
    """A client asks for this host and means the server behind the port, whose certificate is held against its own name."""
    if not shutil.which("openssl"):
        print("over TLS: passed over, there is no openssl")
        return
    authority, own = Authority(), folder()
    os.chmod(own, 0o700)
    server = PythonTls(authority.leaf("server", "IP:127.0.0.1"))
    s = Sidecar("--proxy-type", "forward", "--tls-out", "--tls-ca-dir", own, "--upstream-ca", authority.cert, "--map",
                f"0=127.0.0.1:{server.port}").start()
    at = s.ready["maps"][0].split("=")[0].rsplit(":", 1)[1]
    for host in ("localhost", "127.0.0.1"):
        r = run("curl", "-sS", "--noproxy", "*", "--cacert", os.path.join(own, "tapedeck-ca.crt"), f"https://{host}:{at}/x")
        equal(r.stdout, b"hello", host)
    s.stop()
    equal(s.rows("SELECT mode, sni FROM handshakes ORDER BY at_us"), [("intercepted", "localhost"), ("intercepted", "")], "handshakes")
    equal(s.rows("SELECT scheme, host, path FROM http ORDER BY time"),
          [("https", f"localhost:{at}", "/x"), ("https", f"127.0.0.1:{at}", "/x")], "rows")
    s.verify()


def main():
    need("curl")
    over_tls()
    origin = Origin()
    spool = folder()
    os.chmod(spool, 0o777)
    s = Sidecar("--proxy-type", "forward", "--spool-dir", spool, "--map", f"0=http://localhost:{origin.port}",
                "--map", f"127.0.0.1:0=127.0.0.1:{origin.port}", "--map", "0=http://no-such-host.example:80").start()
    maps = s.ready["maps"]
    equal([m.split("=")[1] for m in maps], [f"http://localhost:{origin.port}", f"127.0.0.1:{origin.port}",
                                           "http://no-such-host.example:80"], "the maps' targets")
    at = [m.split("=")[0] for m in maps]
    assert len({*at, s.ready["out"]}) == 4, s.ready
    for i in range(2):
        r = run("curl", "-sS", "--noproxy", "*", f"http://{at[i]}/load?id=2&req=0&res=20")
        equal(len(r.stdout), 20, "bytes of the answer")
    r = run("curl", "-sS", "--noproxy", "*", "-o", "-", "-w", "%{http_code}", f"http://{at[2]}/")
    assert r.stdout.endswith(b"502"), r.stdout  # with the words of the machine's resolver
    # The listener for proxies is what it was.
    run("curl", "-sS", "-x", f"http://{s.ready['out']}", f"http://localhost:{origin.port}/load?id=4&req=0&res=20")
    s.committed(4)
    equal(s.rows("SELECT direction, path, status FROM http ORDER BY time"),
          [("outbound", "/load", 200), ("outbound", "/load", 200), ("outbound", "/", 502), ("outbound", "/load", 200)], "rows")
    equal(s.rows("SELECT front, target FROM flow WHERE front <> 'http'"), [("fixed", f"127.0.0.1:{origin.port}")],
          "the flow of tcp")

    os.kill(s.ready["proxy"], signal.SIGKILL)

    def again():
        with open(s.ready_file, encoding="utf-8") as f:
            ready = json.load(f)
        return ready if ready["proxy"] != s.ready["proxy"] else None

    equal(until("a new proxy", again)["maps"], maps, "the maps after a restart")
    run("curl", "-sS", "--noproxy", "*", f"http://{at[0]}/load?id=6&req=0&res=20")
    s.committed(5)
    s.stop()
    s.verify()
    # A port that is taken, and what is no map, is told in a line.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for text, code, word in ((f"{taken.getsockname()[1]}=a:1", 1, "(map)"), ("nonsense", 2, 'map: "nonsense" is not LISTEN=')):
            s = Sidecar("--proxy-type", "forward", "--map", text).start(wait=False)
            equal(s.process.wait(30), code, text)
            assert word in s.log_text(), s.log_text()
    # A map that leads to itself.
    port = free_port()
    s = Sidecar("--proxy-type", "forward", "--map", f"{port}=http://localhost:{port}").start()
    r = run("curl", "-sS", "--noproxy", "*", "-o", "-", "-w", "%{http_code}", f"http://127.0.0.1:{port}/")
    assert r.stdout.endswith(b"508"), r.stdout
    s.stop()
    print("map: fine")


main()
