"""Real clients, once direct and once through the proxy: equal results, then found in the capture byte for byte."""
import hashlib
import os
import shutil
import subprocess
import sys

from harness import Sidecar, equal, folder, need, run
from servers import Mariadb, Nginx, Postgres, Redis, Sshd, TlsServer


def web_root():
    root = folder()
    with open(os.path.join(root, "page.html"), "w", encoding="ascii") as f:
        f.write("<p>" + "hello " * 500)
    with open(os.path.join(root, "big.bin"), "wb") as f:
        f.write(os.urandom(3 << 20))
    with open(os.path.join(root, "data.json"), "w", encoding="ascii") as f:
        f.write('{"a": [1, 2, 3]}')
    work = os.path.join(root, "work")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    run(*git, "init", "-q", work)
    for i in range(5):
        with open(os.path.join(work, f"file{i}"), "wb") as f:
            f.write(os.urandom(20000))
        run(*git, "-C", work, "add", ".")
        run(*git, "-C", work, "commit", "-qm", f"commit {i}")
    run("git", "clone", "-q", "--bare", work, os.path.join(root, "repo.git"))
    run("git", "-C", os.path.join(root, "repo.git"), "update-server-info")
    return root


def reverse(port, protocol="tcp"):
    return Sidecar("--proxy-type", "reverse", "--proxy-protocol", protocol, "--proxy-host", "127.0.0.1", "--proxy-port",
                   port, "--in-bind", "127.0.0.1").start()


def forward(protocol):
    return Sidecar("--proxy-type", "forward", "--proxy-protocol", protocol).start()


def done(s, name):
    s.stop()
    s.verify()
    print(name, "as direct")
    return s


def in_capture(s, digests, where):
    """Every body is in the capture with its digest."""
    kept = {r[0] for r in s.rows("SELECT lower(hex(digest)) FROM body")}
    for name, digest in digests.items():
        assert digest in kept, f"{where}: the body of {name} is not in the capture"


def sha(data):
    return hashlib.sha256(data).hexdigest()


PATHS = ["page.html", "big.bin", "data.json", "gzip", "empty", "moved", "missing"]


def curl(nginx, root):
    def fetch(base, *more):
        return {p: run("curl", "-sS", "-w", "%{http_code} %{size_download}", *more, f"{base}/{p}").stdout for p in PATHS}

    base = f"http://127.0.0.1:{nginx.port}"
    files = {p: sha(open(os.path.join(root, p), "rb").read()) for p in PATHS[:3]}
    for version in ("--http1.0", "--http1.1"):
        direct = fetch(base, version)
        for protocol in ("tcp", "http"):
            s = reverse(nginx.port, protocol)
            equal(fetch(f"http://127.0.0.1:{s.inbound}", version), direct, f"curl {version} reverse {protocol}")
            done(s, f"curl {version} reverse {protocol}")
            in_capture(s, files, version)
            equal(s.one("SELECT count(*) FROM http WHERE protocol = 'http'"), len(PATHS), "transactions")
            big = s.one("SELECT id FROM http WHERE path = '/big.bin'")
            equal(sha(s.body(big, "res")), files["big.bin"], "the body read by plain SQL")
        s = forward("http")
        proxy = f"http://127.0.0.1:{s.outbound}"
        equal(fetch(base, version, "-x", proxy), direct, f"curl {version} proxy")
        equal(fetch(base, version, "-p", "-x", proxy), direct, f"curl {version} CONNECT")
        done(s, f"curl {version} proxy and CONNECT")
        in_capture(s, files, version)
        equal(s.one("SELECT count(*) FROM http WHERE protocol = 'http'"), 2 * len(PATHS), "transactions")
        s = forward("socks")
        for kind in ("socks4", "socks4a", "socks5", "socks5h"):
            equal(fetch(base, version, "-x", f"{kind}://127.0.0.1:{s.outbound}"), direct, f"curl {version} {kind}")
        done(s, f"curl {version} socks4/4a/5/5h")
        equal(s.one("SELECT count(*) FROM http WHERE protocol = 'http'"), 4 * len(PATHS), "transactions")

    def upload(base, *more):
        with open(os.path.join(root, "big.bin"), "rb") as f:
            return run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-T", "-", *more, f"{base}/put", stdin=f).stdout

    s = reverse(nginx.port, "http")
    equal(upload(f"http://127.0.0.1:{s.inbound}"), upload(base), "a chunked upload")
    done(s, "curl chunked upload")
    s = forward("http")
    direct = run("curl", "-sS", f"{base}/page.html", f"{base}/data.json").stdout
    both = run("curl", "-sS", "-x", f"http://127.0.0.1:{s.outbound}", f"{base}/page.html",
               f"http://localhost:{nginx.port}/data.json").stdout
    equal(both, direct, "two hosts on one connection")
    done(s, "curl two hosts")
    equal(s.rows("SELECT host, path FROM http WHERE protocol = 'http' ORDER BY id"),
          [(f"127.0.0.1:{nginx.port}", "/page.html"), (f"localhost:{nginx.port}", "/data.json")], "both hosts recorded")


def wget(nginx, root):
    del root
    need("wget")
    base = f"http://127.0.0.1:{nginx.port}/big.bin"
    direct = run("wget", "-qO-", "--no-proxy", base).stdout
    s = forward("http")
    env = dict(os.environ, http_proxy=f"http://127.0.0.1:{s.outbound}", no_proxy="")
    equal(run("wget", "-qO-", base, env=env).stdout, direct, "wget")
    done(s, "wget")
    in_capture(s, {"big.bin": sha(direct)}, "wget")


def git(nginx, root):
    del root

    def clone(base, env=None):
        to = os.path.join(folder(), "clone")
        run("git", "clone", "-q", f"{base}/repo.git", to, env=env)
        head = run("git", "-C", to, "rev-parse", "HEAD").stdout
        run("git", "-C", to, "fsck")
        shutil.rmtree(to)
        return head

    base = f"http://127.0.0.1:{nginx.port}"
    direct = clone(base)
    s = reverse(nginx.port, "http")
    equal(clone(f"http://127.0.0.1:{s.inbound}"), direct, "git reverse")
    done(s, "git clone reverse")
    s = forward("http")
    env = dict(os.environ, http_proxy=f"http://127.0.0.1:{s.outbound}", no_proxy="")
    equal(clone(base, env), direct, "git forward")
    done(s, "git clone forward")
    assert s.one("SELECT count(*) FROM http WHERE req_type IS NOT NULL OR path LIKE '/repo.git/%'") > 5, "git's requests"


def python(nginx, root):
    del root
    program = """
import sys, urllib.request, hashlib
try:
    import requests
except ImportError:
    requests = None
base, proxy = sys.argv[1], sys.argv[2]
proxies = {"http": proxy} if proxy else {}
opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
print(hashlib.sha256(opener.open(base + "/big.bin").read()).hexdigest())
if requests:
    session = requests.Session()
    session.trust_env = False
    for path in ("/page.html", "/gzip", "/data.json", "/empty"):
        r = session.get(base + path, proxies=proxies)
        print(r.status_code, hashlib.sha256(r.content).hexdigest())
    r = session.post(base + "/page.html", data=b"x" * 100000, proxies=proxies)
    print(r.status_code)
"""
    base = f"http://127.0.0.1:{nginx.port}"
    direct = run(sys.executable, "-c", program, base, "").stdout
    s = forward("http")
    equal(run(sys.executable, "-c", program, base, f"http://127.0.0.1:{s.outbound}").stdout, direct, "python forward")
    done(s, "python urllib and requests, forward")
    s = reverse(nginx.port, "http")
    equal(run(sys.executable, "-c", program, f"http://127.0.0.1:{s.inbound}", "").stdout, direct, "python reverse")
    done(s, "python urllib and requests, reverse")


def node(nginx, root):
    del root
    need("node")
    program = """
const http = require('http'), crypto = require('crypto');
const agent = new http.Agent({keepAlive: true, maxSockets: 2});
const [host, port] = process.argv[1].split(':');
const get = path => new Promise((ok, no) => http.get({host, port, path, agent}, r => {
  const h = crypto.createHash('sha256');
  r.on('data', d => h.update(d)).on('end', () => ok(path + ' ' + r.statusCode + ' ' + h.digest('hex')));
}).on('error', no));
Promise.all(['/page.html', '/big.bin', '/data.json', '/gzip', '/empty', '/missing'].map(get))
  .then(l => { console.log(l.join('\\n')); agent.destroy(); });
"""
    direct = run("node", "-e", program, f"127.0.0.1:{nginx.port}").stdout
    s = reverse(nginx.port, "http")
    equal(run("node", "-e", program, f"127.0.0.1:{s.inbound}").stdout, direct, "node")
    done(s, "node http")


def psql(nginx, root):
    del nginx, root
    server = Postgres()
    script = ("CREATE TABLE IF NOT EXISTS t (a int, b text); TRUNCATE t; INSERT INTO t SELECT i, repeat('x', i) "
              "FROM generate_series(1, 2000) i; SELECT count(*), sum(length(b)) FROM t; SELECT * FROM t WHERE a < 50;")

    def ask(port):
        return run("psql", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-At", "-c", script).stdout

    direct = ask(server.port)
    s = reverse(server.port)
    equal(ask(s.inbound), direct, "psql")
    done(s, "psql")
    flow = s.one("SELECT id FROM flow ORDER BY id DESC LIMIT 1")
    said = b"".join(r[0] for r in s.rows("SELECT bytes FROM part WHERE flow = ? AND s2c = 0 ORDER BY at", flow))
    assert b"generate_series(1, 2000)" in said, "the query is not in the conversation"


def redis(nginx, root):
    del nginx, root
    server = Redis()

    def ask(port):
        out = b""
        for command in (["SET", "k", "v" * 10000], ["GET", "k"], ["LPUSH", "l", "1", "2"], ["DEL", "k", "l"], ["PING"]):
            out += run("redis-cli", "-h", "127.0.0.1", "-p", port, *command).stdout
        return out

    direct = ask(server.port)
    s = reverse(server.port)
    equal(ask(s.inbound), direct, "redis-cli")
    done(s, "redis-cli")
    equal(s.one("SELECT count(*) FROM txn WHERE protocol = 'raw'"), 5, "conversations")


def mariadb(nginx, root):
    del nginx, root
    server = Mariadb()

    def ask(port):
        return run("mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", port, "-u", "root", "--skip-ssl", "-e",
                   "SELECT 1+1; SHOW DATABASES; SELECT REPEAT('ab', 30000)").stdout

    direct = ask(server.port)
    s = reverse(server.port)
    equal(ask(s.inbound), direct, "mariadb")
    done(s, "mariadb")
    equal(s.one("SELECT first_speaker FROM flow_end ORDER BY id DESC LIMIT 1"), "server", "who spoke first")


def tls(nginx, root):
    del nginx, root
    server = TlsServer()

    def ask(*how):
        return run("curl", "-sS", "--cacert", server.cert, *how, f"https://localhost:{server.port}/page").stdout

    direct = ask()
    s = forward("http")
    equal(ask("-x", f"http://127.0.0.1:{s.outbound}"), direct, "TLS through CONNECT")
    r = run("openssl", "s_client", "-quiet", "-proxy", f"127.0.0.1:{s.outbound}", "-connect", f"localhost:{server.port}",
            "-servername", "tls.test", "-alpn", "http/1.1", "-CAfile", server.cert, "-tls1_2",
            input=b"GET /page HTTP/1.0\r\n\r\n")
    assert b"a page over tls" in r.stdout, r.stderr
    done(s, "openssl s_client and curl over CONNECT")
    equal(s.rows("SELECT sni, version, alpn FROM tls ORDER BY at_us"), [("localhost", "1.3", ""), ("tls.test", "1.2", "http/1.1")],
          "SNI, version and ALPN")
    s = forward("socks")
    equal(ask("-x", f"socks5h://127.0.0.1:{s.outbound}"), direct, "TLS through SOCKS")
    done(s, "TLS through SOCKS")
    equal(s.one("SELECT count(*) FROM http WHERE protocol = 'tls' AND sni = 'localhost'"), 1, "the opaque transaction")


def ssh(nginx, root):
    del nginx, root
    need("nc")
    server = Sshd()

    def ask(*how):
        return run("ssh", "-F", "none", "-i", server.key, "-p", server.port, "-o", "StrictHostKeyChecking=no", "-o",
                   "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", *how, "127.0.0.1",
                   "echo hello; head -c 100000 /dev/zero | sha256sum").stdout

    direct = ask()
    s = forward("socks")
    equal(ask("-o", f"ProxyCommand=nc -X 5 -x 127.0.0.1:{s.outbound} %h %p"), direct, "ssh")
    done(s, "ssh through SOCKS")
    said = b"".join(r[0] for r in s.rows("SELECT bytes FROM part WHERE s2c = 1 ORDER BY at"))
    assert said.startswith(b"SSH-2.0-"), "the server's greeting is not in the capture"


def main():
    need("curl", "git")
    root = web_root()
    nginx = Nginx(root)
    for client in (curl, wget, git, python, node, psql, redis, mariadb, tls, ssh):
        if sys.argv[1:] and client.__name__ not in sys.argv[1:]:
            continue
        try:
            client(nginx, root)
        except SystemExit:  # need() found something missing: said, and the others go on
            pass
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"{client.__name__}: {e.cmd} hangs") from e


main()
