"""A mock in every way to stand in between: what was recorded through a forward proxy (HTTP, CONNECT with TLS), SOCKS and ports that
stand for servers is answered in the same way when the servers are gone, to curl and to Python; misses go on to servers if told so."""
import json
import os
import smtplib
import socket
import ssl
import sys
import urllib.request

from authority import Authority
from harness import Sidecar, equal, folder, need, run
from mocking import Lines, Mail, Web, mock


class Setting:
    """Servers, and the ways to them: options of the sidecar, and what a client asks."""

    def __init__(self):
        authority = Authority()
        self.own = folder()
        os.chmod(self.own, 0o700)
        self.cert = os.path.join(self.own, "tapedeck-ca.crt")
        self.plain, self.tls = Web(), Web(authority.leaf())
        self.mail, self.late, self.post = Lines(), Lines(greets=False), Mail(authority.leaf())
        self.options = ["--tls-ca-dir", self.own, "--upstream-ca", authority.cert]

    def close(self):
        for server in (self.plain, self.tls, self.mail, self.late, self.post):
            server.close()


def curl(*words):
    """Status, and the body."""
    r = run("curl", "-sS", "-m", "20", "--noproxy", "", "-w", "%{http_code}", *words)
    return r.stdout[-3:], r.stdout[:-3]


def ask(s, by, setting):
    """What two clients hear of the servers, by a forward proxy of that protocol."""
    plain, tls = f"http://localhost:{setting.plain.port}", f"https://localhost:{setting.tls.port}"
    proxy = f"{by}://{s.ready['out']}"
    heard = [curl("-x", proxy, "--cacert", setting.cert, *words) for words in (
        [f"{plain}/a?b=1&c=2"], [f"{plain}/missing"], [f"{plain}/stream"], ["-d", "x=1&y=2", f"{plain}/form"],
        [f"{tls}/secret"], ["-d", '{"a":1}', "-H", "Content-Type: application/json", f"{tls}/json"], [f"{tls}/stream"],
        [f"{plain}/same"], [f"{plain}/same"], [f"{plain}/same"])]
    if by == "http":
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy, "https": proxy}),
                                             urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=setting.cert)))
        for url in (f"{plain}/python", f"{tls}/python"):
            with opener.open(url, timeout=20) as answer:
                heard.append((answer.status, answer.read()))
    return heard


def forward(setting, by):
    options = ["--proxy-type", "forward", "--proxy-protocol", "http" if by == "http" else "socks", *setting.options]
    s = Sidecar(*options, "--tls-out").start()
    before = ask(s, by, setting)
    s.stop()
    count = s.one("SELECT count(*) FROM http")
    equal(count, len(before), f"{by}: transactions recorded")
    asked = len(setting.plain.asked) + len(setting.tls.asked)
    m = mock(s.capture, *options, "--tls-out", "--timing", "recorded", "--on-miss", "fail")
    equal(ask(m, by, setting), before, f"{by}: what clients hear of the mock")
    status, body = curl("-x", f"{by}://{m.ready['out']}", f"http://localhost:{setting.plain.port}/a?b=1&c=3")
    equal((status, json.loads(body)["cause"]), (b"502", "query"), f"{by}: a miss")
    m.stop()
    m.verify()
    equal(len(setting.plain.asked) + len(setting.tls.asked), asked, f"{by}: what servers were asked meanwhile")
    equal(m.rows("SELECT outcome, count(*) FROM http GROUP BY outcome ORDER BY 1"), [("hit", count), ("miss", 1)],
          f"{by}: outcomes")
    equal(m.one("SELECT count(*) FROM handshakes WHERE mode = 'intercepted'"), s.one("SELECT count(*) FROM handshakes"),
          f"{by}: handshakes with clients alone")
    print(f"{by}: {count} of {count}")


def converse(at, words):
    """What a server says, that speaks first unless words begin with a line."""
    with socket.create_connection(at, timeout=20) as s, s.makefile("rb") as f:
        heard = []
        for word in words:
            for piece in word:
                s.sendall(piece)
            heard.append(f.readline())
        heard.append(f.read())
        return heard


WHOLE = ([], [b"EHLO me\r\n"], [b"QUIT\r\n"])
CUT = ([], [b"EH", b"LO ", b"me\r\n"], [b"QUI", b"T\r\n"])


def ports(setting):
    """--map: conversations of servers that speak first, and not; bytes come in other pieces than they were recorded in."""
    options = ["--proxy-type", "forward"]
    for server in (setting.mail, setting.late, setting.plain):
        options += ["--map", f"127.0.0.1:0=localhost:{server.port}"]

    def at(s, i):
        host, port = s.ready["maps"][i].split("=")[0].rsplit(":", 1)
        return host, int(port)

    s = Sidecar(*options).start()
    mail = converse(at(s, 0), WHOLE)
    late = [converse(at(s, 1), ([line, b"\r\n"], [b"QUIT\r\n"])) for line in (b"one", b"two")]
    web = curl(f"http://localhost:{at(s, 2)[1]}/mapped", "-H", "Host: here")
    s.stop()
    equal(mail, [b"220 ready\r\n", b"250 EHLO me\r\n", b"250 QUIT\r\n", b""], "the conversation itself")
    clients = setting.mail.clients + setting.late.clients
    m = mock(s.capture, *options)
    for _ in range(2):
        equal(converse(at(m, 0), CUT), mail, "a server that speaks first")
    for line in (b"two", b"one"):
        equal(converse(at(m, 1), ([line + b"\r\n"], [b"QUIT\r\n"])), late[line == b"two"], "one that does not")
    equal(curl(f"http://localhost:{at(m, 2)[1]}/mapped", "-H", "Host: here"), web, "HTTP")
    equal(converse(at(m, 1), ([b"three\r\n"],)), [b"", b""], "what nobody said")
    m.stop()
    m.verify()
    equal(setting.mail.clients + setting.late.clients, clients, "clients of the servers meanwhile")
    equal(m.rows("SELECT outcome, count(*) FROM http WHERE protocol = 'raw' GROUP BY outcome ORDER BY 1"), [("hit", 4), ("miss", 1)],
          "outcomes of conversations")
    print("ports: fine")


def reverse(setting):
    where = ["--proxy-type", "reverse", "--proxy-host", "127.0.0.1", "--in-bind", "127.0.0.1", "--proxy-port", setting.plain.port]
    s = Sidecar(*where, "--proxy-protocol", "tcp").start()
    before = [curl(f"http://localhost:{s.inbound}/{p}") for p in ("x", "stream", "missing")]
    s.stop()
    m = mock(s.capture, *where, "--proxy-protocol", "http")
    equal([curl(f"http://127.0.0.1:{m.inbound}/{p}") for p in ("x", "stream", "missing")], before, "a service, under another name")
    m.stop()
    equal(m.one("SELECT count(*) FROM http WHERE outcome = 'hit'"), 3, "hits")
    print("reverse: fine")


def onwards(setting):
    """Misses that go to the real server, in the clear, over TLS, and conversations; record: once."""
    options = ["--proxy-type", "forward", *setting.options, "--map", f"127.0.0.1:0=localhost:{setting.late.port}"]
    s = Sidecar(*options, "--tls-out").start()
    plain, tls = f"http://localhost:{setting.plain.port}", f"https://localhost:{setting.tls.port}"
    curl("-x", f"http://{s.ready['out']}", f"{plain}/known")
    s.stop()
    for how in ("passthrough", "record"):
        m = mock(s.capture, *options, "--tls-out", "--on-miss", how, "--workers", "1")
        setting.plain.asked.clear()
        setting.tls.asked.clear()
        proxy = ["-x", f"http://{m.ready['out']}", "--cacert", setting.cert]
        # Several on one connection: known, unknown, known, unknown again.
        heard = curl(*proxy, f"{plain}/known", f"{plain}/new", f"{plain}/known", f"{plain}/new", "-d", "content")
        assert heard[0] == b"200" and heard[1].count(b"POST /new content") == 2, heard
        get = [curl(*proxy, f"{plain}/known")[1], *(curl(*proxy, f"{url}/{p}")[1] for url in (plain, tls) for p in ("n", "n", "stream"))]
        assert get[1].startswith(b"GET /n") and get[4].startswith(b"GET /n") and get[3] == get[6], get
        assert (get[1] == get[2], get[4] == get[5]) == ((True, True) if how == "record" else (False, False)), get
        at = m.ready["maps"][0].split("=")[0].rsplit(":", 1)
        equal(converse((at[0], int(at[1])), ([b"who ", b"are you\r\n"], [b"QUIT\r\n"])), [b"250 who are you\r\n", b"250 QUIT\r\n", b""],
              "a conversation that is passed on")
        gone = free_of_listeners()
        status, body = curl(*proxy, f"http://localhost:{gone}/x")
        equal((status, json.loads(body)["cause"]), (b"502", "server"), "a server that is not there")
        m.stop()
        m.verify()
        once = 1 if how == "record" else 2
        equal((setting.plain.asked.count("GET /n"), setting.tls.asked.count("GET /n"), setting.plain.asked.count("GET /known")),
              (once, once, 0), f"{how}: what servers were asked")
        print(f"{how}: fine")


def in_the_middle(setting):
    """TLS that begins in a conversation, and what is said within it."""
    options = ["--proxy-type", "forward", "--tls-out", "--tls-starttls", "--map", f"127.0.0.1:0=localhost:{setting.post.port}",
               *setting.options]

    def send(s):
        host, port = s.ready["maps"][0].split("=")[0].rsplit(":", 1)
        heard = []
        with smtplib.SMTP(host, int(port), local_hostname="me", timeout=20) as m:
            heard += [m.ehlo(), m.starttls(context=ssl.create_default_context(cafile=setting.cert)), m.ehlo(), m.mail("a@b"),
                      m.rcpt("c@d")]
        return heard

    s = Sidecar(*options).start()
    before = send(s)
    s.stop()
    clients = setting.post.clients
    m = mock(s.capture, *options)
    equal(send(m), before, "mail with STARTTLS")
    m.stop()
    m.verify()
    equal(setting.post.clients, clients, "clients of the mail server meanwhile")
    equal(m.rows("SELECT DISTINCT outcome FROM http"), [("hit",)], "outcomes of mail")
    print("STARTTLS: fine")


def free_of_listeners():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def main():
    need("curl", "openssl")
    setting = Setting()
    forward(setting, "http")
    forward(setting, "socks5h")
    ports(setting)
    reverse(setting)
    in_the_middle(setting)
    onwards(setting)
    setting.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
