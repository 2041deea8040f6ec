"""Programs of many runtimes, each through `tapedeck record --` with no setting of its own where the runtime allows that; and the
README's table of what they need, which is that of the cases below.

With --table it prints that table, and does no more.
"""
import contextlib
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys

from authority import HERE, Authority, TlsNginx
from harness import TAPEDECK, equal, folder, free_port, need, run
from tls_clients import (HTTPX, NODE_FETCH, NODE_HTTPS, REQUESTS, SITE, URLLIB, aiohttp, chromium, clean_env, curl, git, go, java, node,
                         node_heeds_variables, python, python_with, s_client, web_root, wget)

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md")
NAME = socket.gethostname()  # of this machine: some ask no proxy for localhost
NOTHING = b"warning: nothing came through"
PATHS = ("page.html", "big.bin", "missing")


class Case:
    """A row of the table, and what shows it: the client as it is, and one that does what the row says is needed."""

    def __init__(self, row, needs, here, client, helped=None, name="localhost", proxy="", prepare=None, local="",
                 mapped=None):
        self.row, self.needs, self.here, self.client, self.name = row, needs, here, client, name
        self.helped = helped    # a client with what it needs; else proxy or prepare give it
        self.proxy = proxy      # for fetch()
        self.prepare = prepare  # with a Place, before it runs
        self.local = local      # for fetch(), so that localhost is recorded as well
        self.mapped = mapped    # a client that goes through a port that stands for the server


def there(*programs):
    return lambda: all(map(shutil.which, programs))


def trusted_by_nss(place):
    """As tapedeck ca install-hints says."""
    run(TAPEDECK, "ca", "init", env=place.env)
    os.makedirs(os.path.join(place.private, ".pki", "nssdb"))
    run("certutil", "-N", "--empty-password", "-d", f"sql:{place.private}/.pki/nssdb")
    hint = run(TAPEDECK, "ca", "install-hints", "firefox", env=place.env).stdout.decode().splitlines()
    command = next(line for line in hint if line.startswith("certutil -A"))
    run("sh", "-c", command, env=place.env)


NONE = "nothing"
CASES = [
    Case("curl", NONE, there("curl"), lambda: curl()),
    Case("wget", NONE, there("wget"), lambda: wget()),
    Case("git", NONE, there("git"), lambda: git()),
    Case("openssl s_client", "`-proxy ${HTTPS_PROXY#http://}`", there("openssl"), lambda: s_client(), proxy="env"),
    Case("Python: urllib", NONE, lambda: True, lambda: python("urllib", "urllib", URLLIB)),
    Case("Python: requests", NONE, lambda: python_with("requests"), lambda: python("requests", "requests", REQUESTS)),
    Case("Python: httpx", NONE, lambda: python_with("httpx"), lambda: python("httpx", "httpx", HTTPX)),
    Case("Python: aiohttp", "`ClientSession(trust_env=True)`", lambda: python_with("aiohttp"), lambda: aiohttp(False),
         helped=lambda: aiohttp(True)),
    Case("Node.js from 22.21 and 24.0 on: fetch", NONE, lambda: shutil.which("node") and node_heeds_variables((24, 0)),
         lambda: node("fetch", NODE_FETCH, ())),
    Case("Node.js from 22.21 and 24.5 on: https", NONE, lambda: shutil.which("node") and node_heeds_variables((24, 5)),
         lambda: node("https", NODE_HTTPS, ())),
    Case("Node.js before 22.21, 23, and https before 24.5", "an agent of the program's own, for proxies; or `--sidecar map=8443=HOST:443`, and "
         "`https://localhost:8443` in place of `https://HOST`", lambda: shutil.which("node") and not node_heeds_variables((24, 5)),
         lambda: node("https", NODE_HTTPS, ()), proxy="env", mapped=lambda: node("fetch", NODE_FETCH, ())),
    Case("Java: HttpClient", NONE, there("java", "javac", "keytool"), lambda: java("HttpClient")),
    Case("Java: HttpURLConnection", NONE, there("java", "javac", "keytool"), lambda: java("HttpURLConnection")),
    Case("Go: net/http", NONE + ", but for localhost another name of the machine", there("go"), lambda: go(), name=NAME),
    Case("Chromium", "our authority in its store (`tapedeck ca install-hints firefox`), and for localhost "
         "`--proxy-server=$HTTPS_PROXY --proxy-bypass-list='<-loopback>'`", there("chromium", "certutil"), lambda: chromium(), name=NAME, prepare=trusted_by_nss,
         local="env"),
]


def table():
    lines = ["| program | what it needs to be recorded decrypted by `tapedeck record` |", "|---|---|"]
    rows = {}
    for case in CASES:
        rows.setdefault(case.needs, []).append(case.row)
    for needs, names in sorted(rows.items(), key=lambda r: r[0] != NONE):
        families = {}  # "Python: a", "Python: b" → "Python: a, b"
        for name in names:
            family, _, one = name.rpartition(": ")
            families.setdefault(family, []).append(one)
        shown = "; ".join((family + ": " if family else "") + ", ".join(of) for family, of in families.items())
        lines.append(f"| {shown} | {needs} |")
    return lines


class Place:
    """A folder to record in, and one for what is private, with the roots of a system that knows the tests' authority."""

    def __init__(self, authority):
        self.dir, self.private = folder(), os.path.join(folder(), "run")
        os.mkdir(self.private, 0o755)
        self.roots = authority.cert
        # What a desk brings along: a display's proxies, say.
        env = {k: v for k, v in clean_env().items() if not re.match("XDG_|DESKTOP|KDE|GNOME", k)}
        self.env = {**env, "XDG_RUNTIME_DIR": self.private, "XDG_DATA_HOME": self.private, "XDG_CACHE_HOME": self.private,
                    "TMPDIR": self.private, "HOME": self.private, "SSL_CERT_FILE": self.roots}

    def record(self, client, urls, proxy="", *options):
        """(exit code, what it got); one recording a run of the client."""
        self.env["PWD"] = self.dir
        before = [TAPEDECK, "record", "--capture", "c.db", "--sidecar", "upstream-ca=" + self.roots, *options, "--"]
        if client.one:
            urls = urls[:1]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.dir, "c.db"))
        return client.run(urls, "", proxy, before=before, env=self.env, cwd=self.dir, timeout=120)

    def rows(self, sql):
        path = os.path.join(self.dir, "c.db")
        if not os.path.exists(path):
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()


def decrypted(p, port):
    return p.rows(f"SELECT host, path, status FROM http WHERE scheme = 'https' AND target LIKE '%:{port}'")


def wanted(client, host):
    if client.name == "git":
        return {(host, "/repo.git/info/refs", 200)}
    if client.name == "chromium":
        return {(host, f"/site/{n}", 200) for n in (*SITE, "image.png")}
    paths = PATHS[:1] if client.one else PATHS
    return {(host, "/" + p, 404 if p == "missing" else 200) for p in paths}


def localhost(case, authority, nginx):
    """Those that ask no proxy for localhost: as the table says."""
    port = nginx.ports["web"]
    for proxy in ("", case.local) if case.local else ("",):
        p, client = Place(authority), case.client()
        if case.prepare:
            case.prepare(p)
            client.env = lambda ca, proxy: {}
        p.record(client, [f"{nginx.url('web')}/{path}" for path in PATHS], proxy)
        rows = wanted(client, f"localhost:{port}")
        equal(set(decrypted(p, port)) & rows, rows if proxy else set(), f"{case.row}, localhost: {client.said}")


def show(case, authority, nginx):
    base = nginx.url("web", case.name)
    host, port = f"{case.name}:{nginx.ports['web']}", nginx.ports["web"]
    urls = [f"{base}/{p}" for p in PATHS]
    client = case.client()
    if case.name != "localhost":
        localhost(case, authority, nginx)
    direct = client.run(urls[:1] if client.one else urls, authority.cert)
    needs = case.helped or case.proxy or case.prepare
    if needs:
        p = Place(authority)
        p.record(client, urls)
        equal(decrypted(p, port), [], f"{case.row}, without what it needs: {client.said}")
    p = Place(authority)
    if case.prepare:
        case.prepare(p)
        client.env = lambda ca, proxy: {}
    helped = case.helped() if case.helped else client
    got = p.record(helped, urls, case.proxy)
    assert got == direct, f"{case.row}: got {got[0]} {got[1][-400:]}, direct {direct[0]} {direct[1][-400:]}\n{helped.said}"
    assert NOTHING not in helped.said.encode(), helped.said
    missing = wanted(client, host) - set(decrypted(p, port))
    assert not missing, f"{case.row}: not in the capture: {missing}; but {decrypted(p, port)}\n{helped.said}"
    # Chromium has connections that it comes to do without.
    others = " AND mode <> 'refused'" if client.name == "chromium" else ""
    equal(set(p.rows(f"SELECT mode, why FROM handshakes WHERE target LIKE '%:{port}'{others}")), {("intercepted", "")},
          case.row + ", handshakes")
    print(f"{case.row}: recorded, needs {case.needs}", flush=True)


def by_map(case, authority, nginx):
    at, port = free_port(), nginx.ports["web"]
    p, client = Place(authority), case.mapped()
    got = p.record(client, [f"https://localhost:{at}/{path}" for path in PATHS], "", "--sidecar", f"map={at}=localhost:{port}")
    equal(got[0], 0, f"{case.row}, by a mapped port: {client.said}")
    missing = wanted(client, f"localhost:{at}") - set(decrypted(p, port))
    assert not missing, f"{case.row}, by a mapped port, not in the capture: {missing}"


def main():
    if sys.argv[1:] == ["--table"]:
        print("\n".join(table()))
        return
    with open(README, encoding="utf-8") as f:
        text = f.read()
    assert "\n".join(table()) in text, "README.md has another table than these tests; this is theirs:\n" + "\n".join(table())
    need("curl", "nginx", "openssl")
    authority = Authority()
    cert, key = authority.leaf(names=f"{HERE},DNS:{NAME}")
    nginx = TlsNginx(web_root(), {"web": f"ssl_certificate {cert}; ssl_certificate_key {key};"})
    try:
        local = socket.gethostbyname(NAME).startswith("127.")
    except OSError:
        local = False
    for case in CASES:
        if sys.argv[1:] and not any(re.search(a, case.row) for a in sys.argv[1:]):
            continue
        if not case.here() or (case.name == NAME and not local):
            print("left out, as it is not here:", case.row)
            continue
        try:
            show(case, authority, nginx)
            if case.mapped:
                by_map(case, authority, nginx)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"{case.row}: hangs") from e
    print("runtimes: fine")


main()
