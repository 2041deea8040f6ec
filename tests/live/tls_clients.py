"""Clients of https, each by the settings of its own or by what its runtime reads in the environment.

fetch(urls, ca, proxy): the command that fetches them and prints what it got. ca: a PEM file of roots to trust, "" for those of the
runtime; proxy: "http://HOST:PORT", "socks5h://HOST:PORT", "" for the one of the environment, if any.
"""
import functools
import os
import re
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

from harness import folder, run

CLEAN = re.compile("_proxy$|_ca_|_cert|_cainfo$|_ssl_|^java_tool_options$|^wgetrc$", re.IGNORECASE)


def clean_env(**more):
    """The environment without what the machine that tests may have set."""
    return {**{k: v for k, v in os.environ.items() if not CLEAN.search(k)}, **more}


def _write(name, text):
    path = os.path.join(folder(), name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


class Client:
    """name; fetch: see above; env(ca, proxy): variables for it; plain(stdout): what is to be equal."""

    def __init__(self, name, fetch, env=lambda ca, proxy: {}, proxies=("http",), plain=lambda out: out, stdin=None, one=False,
                 only=None):
        self.name, self.fetch, self.env, self.proxies, self.plain = name, fetch, env, proxies, plain
        self.stdin = stdin  # of urls
        self.one = one      # it takes one URL at a time
        self.only = only    # the version of TLS that it speaks
        self.said = ""      # on standard error, at last

    def run(self, urls, ca="", proxy="", before=(), env=None, **options):
        """(exit code, what it got)."""
        code, got = 0, b""
        for some in [[u] for u in urls] if self.one else [urls]:
            r = run(*before, *self.fetch(some, ca, proxy), check=False, env={**(env or clean_env()), **self.env(ca, proxy)},
                    **({"input": self.stdin(some)} if self.stdin else {"stdin": subprocess.DEVNULL}), **options)
            code, got = code or r.returncode, got + self.plain(r.stdout)
            self.said = r.stderr.decode(errors="replace")
        return code, got


def has(*programs):
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        print("left out: no", " ".join(missing))
    return not missing


@functools.lru_cache(None)
def python_with(module):
    """An interpreter that has it: Debian's modules are known to Debian's only."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and run(python, "-c", "import " + module, check=False).returncode == 0:
            return python
    print("left out: no Python's", module)
    return None


# ---- of C

def curl(*how, only=None):
    def fetch(urls, ca, proxy):
        return ["curl", "-sS", "-w", "\n%{http_code} %{size_download}\n", *how, *(["--cacert", ca] if ca else []),
                *(["-x", proxy] if proxy else []), *urls]

    return Client(" ".join(("curl", *how)), fetch, proxies=("http", "socks5h"), only=only)


def wget():
    def fetch(urls, ca, proxy):
        del proxy
        return ["wget", "-qO-", "--content-on-error", *(["--ca-certificate=" + ca] if ca else []), *urls]

    return Client("wget", fetch, lambda ca, proxy: {"https_proxy": proxy, "no_proxy": ""} if proxy else {})


def s_client(*how, only=None):
    """Reads no variable of proxies; the roots' file it does read."""
    def fetch(urls, ca, proxy):
        at = urlsplit(urls[0])
        return ["openssl", "s_client", "-quiet", "-verify_return_error", "-verify_quiet", *how, "-connect", at.netloc, "-servername",
                at.hostname, *(["-CAfile", ca] if ca else []), *(["-proxy", urlsplit(proxy).netloc] if proxy else [])]

    def fetch_by_shell(urls, ca, proxy):
        words = " ".join(fetch(urls, ca, ""))
        return ["sh", "-c", f"exec {words} -proxy ${{HTTPS_PROXY#http://}}"] if proxy == "env" else fetch(urls, ca, proxy)

    def say(urls):
        at = urlsplit(urls[0])
        return f"GET {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\nConnection: close\r\n\r\n".encode()

    def body(out):
        head, _, rest = out.partition(b"\r\n\r\n")
        return head.split(b"\r\n")[0] + b"\n" + rest

    return Client(" ".join(("openssl s_client", *how)), fetch_by_shell, plain=body, stdin=say, one=True, only=only)


def git():
    def fetch(urls, ca, proxy):
        to = os.path.join(folder(), "clone")
        options = (["-c", "http.sslCAInfo=" + ca] if ca else []) + (["-c", "http.proxy=" + proxy] if proxy else [])
        script = 'git "$@" && git -C "$0" rev-parse HEAD && git -C "$0" fsck 2>&1'
        return ["sh", "-c", script, to, *options, "clone", "-q", urls[0].rsplit("/", 1)[0] + "/repo.git", to]

    return Client("git", fetch, proxies=("http", "socks5h"))


# ---- Python

SHOW = """
import hashlib, sys, os
ca, proxy, urls = sys.argv[1], sys.argv[2], sys.argv[3:]
def show(status, content):
    print(status, len(content), hashlib.sha256(content).hexdigest())
"""
URLLIB = SHOW + """
import ssl, urllib.error, urllib.request as r
handlers = [r.HTTPSHandler(context=ssl.create_default_context(cafile=ca))] if ca else []
opener = r.build_opener(*handlers, *([r.ProxyHandler({"https": proxy})] if proxy else []))
for url in urls:
    try:
        with opener.open(url) as answer:
            show(answer.status, answer.read())
    except urllib.error.HTTPError as e:
        show(e.code, e.read())
"""
REQUESTS = SHOW + """
import requests
s = requests.Session()
if ca:
    s.verify = ca
if proxy:
    s.trust_env, s.proxies = False, {"https": proxy}
for url in urls:
    answer = s.get(url)
    show(answer.status_code, answer.content)
"""
HTTPX = SHOW + """
import httpx
how = {"verify": ca} if ca else {}
with httpx.Client(**how, **({"proxies": proxy, "trust_env": False} if proxy else {})) as c:
    for url in urls:
        answer = c.get(url)
        show(answer.status_code, answer.content)
"""
AIOHTTP = SHOW + """
import aiohttp, asyncio, ssl
async def main():
    how = {"ssl": ssl.create_default_context(cafile=ca)} if ca else {}
    if proxy:
        how["proxy"] = proxy
    async with aiohttp.ClientSession(**TRUST) as s:
        for url in urls:
            async with s.get(url, **how) as answer:
                show(answer.status, await answer.read())
asyncio.run(main())
"""


def python(name, module, program, proxies=("http",)):
    return Client("python " + name, lambda urls, ca, proxy: [python_with(module), "-c", program, ca, proxy, *urls], proxies=proxies)


def aiohttp(trust_env):
    return python("aiohttp" + (", trust_env" if trust_env else ""), "aiohttp",
                  AIOHTTP.replace("**TRUST", "trust_env=True" if trust_env else ""))


# ---- Node.js

NODE_SHOW = """
const crypto = require('crypto');
const [given, ...urls] = process.argv.slice(1);
const proxy = given === 'env' ? process.env.HTTPS_PROXY : given;
const show = (status, parts) => {
  const all = Buffer.concat(parts);
  console.log(status, all.length, crypto.createHash('sha256').update(all).digest('hex'));
};
"""
NODE_HTTPS = NODE_SHOW + """
const http = require('http'), https = require('https'), tls = require('tls');
const get = (url, how) => new Promise((ok, no) => https.get(url, how, r => {
  const parts = [];
  r.on('data', d => parts.push(d)).on('end', () => { show(r.statusCode, parts); ok(); });
}).on('error', no));
const tunnel = url => new Promise((ok, no) => http.request({host: proxy.split(/[:/]+/)[1], port: proxy.split(':')[2],
    method: 'CONNECT', path: new URL(url).host, agent: false}).on('connect', (_, socket) => ok(socket)).on('error', no).end());
(async () => {
  for (const url of urls) {
    const socket = proxy && await tunnel(url);
    await get(url, socket ? {createConnection: () => tls.connect({socket, servername: new URL(url).hostname})} : {});
  }
})().catch(e => { console.error(e); process.exit(1); });
"""
NODE_FETCH = NODE_SHOW + """
(async () => {
  for (const url of urls) {
    const answer = await fetch(url);
    show(answer.status, [Buffer.from(await answer.arrayBuffer())]);
  }
})().catch(e => { console.error(e); process.exit(1); });
"""


def node(name, program, proxies):
    return Client("node " + name, lambda urls, ca, proxy: ["node", "-e", program, proxy, *urls],
                  lambda ca, proxy: {"NODE_EXTRA_CA_CERTS": ca} if ca else {}, proxies)


def node_heeds_variables(least):
    """Whether this Node.js knows NODE_USE_ENV_PROXY; least: the version of 24 from which on it does."""
    version = tuple(int(n) for n in run("node", "-p", "process.versions.node").stdout.decode().split("."))
    return version >= least or (22, 21) <= version < (23,)


# ---- Java

JAVA = """
import java.net.*; import java.net.http.*; import java.security.*; import java.util.*;
class Fetch {
    static void show(int status, byte[] all) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(all);
        System.out.println(status + " " + all.length + " " + HexFormat.of().formatHex(digest));
    }
    public static void main(String[] args) throws Exception {
        HttpClient client = args[0].equals("HttpClient") ? HttpClient.newHttpClient() : null;
        for (String url : Arrays.asList(args).subList(1, args.length)) {
            if (client != null) {
                HttpResponse<byte[]> r = client.send(HttpRequest.newBuilder(URI.create(url)).build(),
                                                     HttpResponse.BodyHandlers.ofByteArray());
                show(r.statusCode(), r.body());
            } else {
                HttpURLConnection c = (HttpURLConnection) new URL(url).openConnection();
                int status = c.getResponseCode();
                show(status, (status < 400 ? c.getInputStream() : c.getErrorStream()).readAllBytes());
            }
        }
    }
}
"""


@functools.lru_cache(None)
def _java_classes():
    source = _write("Fetch.java", JAVA)
    run("javac", source)
    return os.path.dirname(source)


@functools.lru_cache(None)
def _java_store(ca):
    path = os.path.join(folder(), "store")
    run("keytool", "-importcert", "-noprompt", "-keystore", path, "-storepass", "changeit", "-alias", "a", "-file", ca)
    return path


def java(what):
    def fetch(urls, ca, proxy):
        at, options = urlsplit(proxy), []
        if ca:
            options += ["-Djavax.net.ssl.trustStore=" + _java_store(ca), "-Djavax.net.ssl.trustStorePassword=changeit"]
        if proxy.startswith("socks"):
            options += [f"-DsocksProxyHost={at.hostname}", f"-DsocksProxyPort={at.port}", "-DsocksNonProxyHosts="]
        elif proxy:
            options += [f"-Dhttps.proxyHost={at.hostname}", f"-Dhttps.proxyPort={at.port}", "-Dhttp.nonProxyHosts="]
        return ["java", "-XX:TieredStopAtLevel=1", *options, "-cp", _java_classes(), "Fetch", what, *urls]

    return Client("java " + what, fetch, proxies=("http", "socks5h") if what == "HttpURLConnection" else ("http",))


# ---- Go

GO = r"""
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if ca := os.Args[1]; ca != "" {
		pem, err := os.ReadFile(ca)
		must(err)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		t.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	if proxy := os.Args[2]; proxy != "" {
		u, err := url.Parse(proxy)
		must(err)
		t.Proxy = http.ProxyURL(u)
	}
	for _, u := range os.Args[3:] {
		r, err := (&http.Client{Transport: t}).Get(u)
		must(err)
		all, err := io.ReadAll(r.Body)
		must(err)
		fmt.Printf("%d %d %x\n", r.StatusCode, len(all), sha256.Sum256(all))
	}
}
"""


@functools.lru_cache(None)
def _go_program():
    source = _write("main.go", GO)
    where = os.path.dirname(source)
    out = os.path.join(where, "fetch")
    run("go", "build", "-o", out, source, env=clean_env(GOCACHE=os.path.join(where, "cache"), GO111MODULE="off", HOME=where), timeout=400)
    return out


def go():
    def fetch(urls, ca, proxy):
        return [_go_program(), ca, proxy.replace("socks5h:", "socks5:"), *urls]

    return Client("go net/http", fetch, proxies=("http", "socks5h"))


# ---- Chromium

def _trusting_home(ca):
    """A home whose store of NSS has it; Chromium looks nowhere else."""
    home = folder()
    if ca:
        store = os.path.join(home, ".pki", "nssdb")
        os.makedirs(store)
        run("certutil", "-N", "--empty-password", "-d", "sql:" + store)
        run("certutil", "-A", "-d", "sql:" + store, "-t", "C,,", "-n", "a", "-i", ca)
    return home


def chromium():
    """Prints a page as it is when all that belongs to it was loaded."""
    def fetch(urls, ca, proxy):
        del ca
        page = urls[0].rsplit("/", 1)[0] + "/site/index.html"
        via = ["--proxy-server=" + proxy.replace("socks5h:", "socks5:"), "--proxy-bypass-list=<-loopback>"] if proxy else []
        before = []
        if proxy == "env":
            via, before = via[1:], ["sh", "-c", 'exec "$0" --proxy-server="$HTTPS_PROXY" "$@"']
        return [*before, "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
                "--disable-features=OptimizationHints,MediaRouter", "--user-data-dir=" + folder(), *via,
                "--virtual-time-budget=20000", "--dump-dom", page]

    return Client("chromium", fetch, lambda ca, proxy: {"HOME": _trusting_home(ca)}, ("http", "socks5h"))


SITE = {
    "index.html": """<!doctype html><title>a page</title><link rel=stylesheet href=style.css><script src=script.js defer></script>
<body><p id=p>text</p><img id=i src=image.png><p id=q></p><p id=f></p></body>""",
    "style.css": "#p { color: rgb(1, 2, 3) }",
    "script.js": """window.addEventListener('load', () => {
  document.getElementById('q').textContent = getComputedStyle(document.getElementById('p')).color + ' ' +
    document.getElementById('i').naturalWidth;
  fetch('more.json').then(r => r.json()).then(j => document.getElementById('f').textContent = 'fetched ' + j.a);
});""",
    "more.json": '{"a": 17}',
}
# One pixel.
IMAGE = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000" "1f15c4890000000d49444154789c626001000000ffff030000060005"
                      "57bfabd40000000049454e44ae426082")
SITE_SHOWS = (b"rgb(1, 2, 3) 1", b"fetched 17")


def web_root():
    """What there is to fetch."""
    root = folder()
    site = os.path.join(root, "site")
    os.mkdir(site)
    for name, text in SITE.items():
        with open(os.path.join(site, name), "w", encoding="ascii") as f:
            f.write(text)
    for path, content in (("site/image.png", IMAGE), ("site/favicon.ico", IMAGE), ("page.html", b"<p>" + b"hello " * 500),
                          ("big.bin", os.urandom(1 << 20)), ("data.json", b'{"a": [1, 2, 3]}')):
        with open(os.path.join(root, path), "wb") as f:
            f.write(content)
    work = os.path.join(root, "work")
    author = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    run(*author, "init", "-q", work)
    shutil.copy(os.path.join(root, "big.bin"), work)
    run(*author, "-C", work, "add", ".")
    run(*author, "-C", work, "commit", "-qm", "one")
    run("git", "clone", "-q", "--bare", work, os.path.join(root, "repo.git"))
    run("git", "-C", os.path.join(root, "repo.git"), "update-server-info")
    return root


def all_clients():
    """Those that are here."""
    found = [curl("--http1.1"), curl("--http1.1", "--tls-max", "1.2", only="1.2"), curl("--http2"), s_client("-tls1_2", only="1.2"), s_client("-tls1_3", only="1.3"),
             python("urllib", "urllib", URLLIB)]
    if python_with("requests"):
        found.append(python("requests", "requests", REQUESTS))
        if python_with("requests,socks"):
            found.append(python("requests, PySocks", "requests,socks", REQUESTS, ("socks5h",)))
    if python_with("httpx"):
        found.append(python("httpx", "httpx", HTTPX))
    if python_with("aiohttp"):
        found.append(aiohttp(False))
    if has("wget"):
        found.append(wget())
    if has("git"):
        found.append(git())
    if has("node"):
        found += [node("https", NODE_HTTPS, ("http", "map")), node("fetch", NODE_FETCH, ("map",))]
    if has("java", "javac", "keytool"):
        found += [java("HttpClient"), java("HttpURLConnection")]
    if has("go"):
        found.append(go())
    if has("chromium", "certutil"):
        found.append(chromium())
    return found
