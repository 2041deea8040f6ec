"""The four annotation examples that people know, each as a downward-API file, with real clients."""
import os

from harness import Origin, Sidecar, equal, folder, free_port, run

P = "sidecar.speedscale.com/"


def write(where, **values):
    path = os.path.join(where, "annotations")
    with open(path, "w", encoding="ascii") as f:
        f.write(f'{P}inject="true"\nkubernetes.io/config.seen="2026-01-01T00:00:00Z"\n')
        for key, value in values.items():
            f.write(f'{P}{key.replace("_", "-")}="{value}"\n')
    return path


def example(origin, use, **annotations):
    where = folder()
    path = write(where, **annotations)
    options = ["--annotations", path, "--proxy-host", "127.0.0.1"]
    if "proxy_port" not in annotations:
        options += ["--proxy-port", origin.port]
    fixed = [k for k in ("proxy_in_port", "proxy_out_port") if k in annotations]
    if fixed:  # the annotation's ports must be used: nothing on the command line may stand before them
        options += ["--proxy-in-port=" + annotations["proxy_in_port"], "--proxy-out-port=" + annotations["proxy_out_port"]]
    s = Sidecar(*options, where=where).start()
    use(s)
    s.stop()
    s.verify()
    return s


def main():
    origin = Origin()
    url = f"http://127.0.0.1:{origin.port}"

    def dual(s):
        run("curl", "-sSf", f"http://127.0.0.1:{s.inbound}/in")
        run("curl", "-sSf", "-x", f"http://127.0.0.1:{s.outbound}", url + "/out")

    s = example(origin, dual, proxy_type="dual", proxy_protocol="tcp:http", proxy_port=str(origin.port))
    equal(s.rows("SELECT direction, path FROM http ORDER BY direction"), [("inbound", "/in"), ("outbound", "/out")],
          "dual tcp:http")

    def socks(s):
        run("curl", "-sSf", "--proxy", f"socks5h://127.0.0.1:{s.outbound}", url + "/five")
        run("curl", "-sSf", "--proxy", f"socks4://127.0.0.1:{s.outbound}", url + "/four")

    s = example(origin, socks, proxy_type="forward", proxy_protocol="socks")
    equal(s.rows("SELECT front, path FROM http ORDER BY path"), [("socks5", "/five"), ("socks4", "/four")], "forward socks")

    def reverse(s):
        run("curl", "-sSf", f"http://127.0.0.1:{s.inbound}/reverse")

    s = example(origin, reverse, proxy_type="reverse", proxy_protocol="http", proxy_port=str(origin.port))
    equal(s.rows("SELECT direction, front, path FROM http"), [("inbound", "http", "/reverse")], "reverse http")

    into, out = str(free_port()), str(free_port())

    def ports(s):
        equal((s.inbound, s.outbound), (int(into), int(out)), "the ports of the annotations")
        dual(s)

    s = example(origin, ports, proxy_type="dual", proxy_protocol="tcp:http", proxy_port=str(origin.port),
                proxy_in_port=into, proxy_out_port=out)
    equal(s.one("SELECT count(*) FROM http"), 2, "dual with other ports")


main()
