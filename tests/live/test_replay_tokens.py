"""Replay against a server that issues tokens, ids and cookies anew at every run: green, since what the run's answers issue is carried
in place of what was recorded; not without that. Rules of --rewrite change what is sent."""
import http.client
import http.server
import json
import os
import secrets
import threading

from harness import TAPEDECK, Sidecar, equal, folder, run, stop
from test_replay import Server


class Shop(http.server.BaseHTTPRequestHandler):
    """Login → bearer → refresh; orders by id; a cursor; a cookie; nothing without them."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    tokens, refreshes, orders, cursors, carts = set(), set(), {}, set(), set()
    versions = []

    def answer(self, status, body, *headers):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def issue(self):
        token, refresh = secrets.token_hex(20), secrets.token_urlsafe(24)
        Shop.tokens.add(token)
        Shop.refreshes.add(refresh)
        return {"token": token, "refresh": refresh, "kind": "bearer"}

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        if self.path == "/login":
            if body.get("password") != "open sesame":
                return self.answer(403, {"error": "wrong password"})
            Shop.versions.append(self.headers.get("x-version"))
            cart = secrets.token_hex(12)
            Shop.carts.add(cart)
            return self.answer(200, self.issue(), ("Set-Cookie", f"cart={cart}; Path=/"))
        if self.path == "/refresh":
            if body.get("refresh") not in Shop.refreshes:
                return self.answer(403, {"error": "no such refresh token"})
            Shop.refreshes.discard(body["refresh"])
            Shop.tokens.discard(self.headers.get("authorization", "")[7:])
            return self.answer(200, self.issue())
        if not self.allowed():
            return None
        id = secrets.token_hex(12)
        Shop.orders[id] = body
        return self.answer(201, {"id": id, "what": body.get("what")}, ("Location", f"/orders/{id}"))

    def allowed(self):
        if self.headers.get("authorization", "")[7:] not in Shop.tokens:
            self.answer(401, {"error": "who are you?"})
        elif self.headers.get("cookie", "")[5:] not in Shop.carts:
            self.answer(400, {"error": "no cart"})
        else:
            return True
        return False

    def do_GET(self):
        if not self.allowed():
            return None
        path, _, query = self.path.partition("?")
        if path == "/orders":
            cursor = query.partition("cursor=")[2]
            if cursor and cursor not in Shop.cursors:
                return self.answer(400, {"error": "bad cursor"})
            following = secrets.token_urlsafe(18)
            Shop.cursors.add(following)
            return self.answer(200, {"page": 2 if cursor else 1, "next": following})
        order = Shop.orders.get(path.rsplit("/", 1)[1])
        return self.answer(200, {"what": order["what"]}) if order else self.answer(404, {"error": "no such order"})

    def log_message(self, *_):
        pass


def serve():
    s = Server(("127.0.0.1", 0), Shop)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    return s.server_address[1]


def customer(port, k):
    c = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/json"}

    def ask(method, path, body=None):
        c.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        r = c.getresponse()
        for name, value in r.getheaders():
            if name.lower() == "set-cookie":
                headers["Cookie"] = value.split(";")[0]
        data = json.loads(r.read())
        assert r.status < 300, (method, path, r.status, data)
        return data

    session = ask("POST", "/login", {"user": f"user{k}", "password": "open sesame"})
    headers["Authorization"] = "Bearer " + session["token"]
    for i in range(3):
        order = ask("POST", "/orders", {"what": f"thing {k} {i}"})
        ask("GET", "/orders/" + order["id"])
    page = ask("GET", "/orders")
    ask("GET", "/orders?cursor=" + page["next"])
    session = ask("POST", "/refresh", {"refresh": session["refresh"]})
    headers["Authorization"] = "Bearer " + session["token"]
    ask("GET", "/orders/" + order["id"])


def forget():
    for known in (Shop.tokens, Shop.refreshes, Shop.orders, Shop.cursors, Shop.carts):
        known.clear()


def record(redaction):
    s = Sidecar("--proxy-type", "reverse", "--proxy-host", "127.0.0.1", "--proxy-port", serve(), "--redact", redaction).start()
    customers = [threading.Thread(target=customer, args=(s.inbound, k)) for k in range(6)]
    for t in customers:
        t.start()
        if redaction != "none":  # what was redacted is taken to be what the client was given last: one after the other
            t.join()
    for t in customers:
        t.join()
    stop(s.process)
    return s


RULES = """shape:
  body.token: hex
  body.id: hex
ignore:
  - body.refresh
  - body.next
  - header location
  - header set-cookie
"""


def replay(s, *options, code=0):
    forget()
    rules = os.path.join(s.dir, "rules.yaml")
    with open(rules, "w", encoding="utf-8") as f:
        f.write(RULES)
    r = run(TAPEDECK, "replay", s.capture, "--target", f"http://127.0.0.1:{serve()}", "--no-capture", "--json", "--rules", rules,
            *options, check=False)
    assert r.returncode == code, f"{options}: exit {r.returncode}\n{r.stdout.decode()[-3500:]}{r.stderr.decode()}"
    return json.loads(r.stdout), r.stderr.decode()


def secret(rewrite):
    """What redaction took out of the content of requests goes as it was kept, and can be brought."""
    s = record("default,json:$.password")
    report, told = replay(s, "--speed", "max", code=1)
    assert "body.password was redacted in 6 requests" in told, told
    equal((report["requests"]["sent"], report["requests"]["unsent"], report["requests"]["equal"]), (66, 0, 0), "without the password")
    with open(rewrite, "w", encoding="utf-8") as f:
        f.write("set:\n  - {where: body.password, value: open sesame, path: /login}\n")
    report, told = replay(s, "--speed", "max", "--rewrite", rewrite)
    assert "password" not in told, told
    equal(report["requests"]["equal"], 66, "with it")


def main():
    for redaction in ("none", "default"):
        s = record(redaction)
        for options in ([], ["--speed", "max"], ["--vus", "2" if redaction == "none" else "1", "--speed", "max", "--times", "3"],
                        ["--rate", "200"]):
            report, _ = replay(s, *options)
            print("redacted:", redaction, *options, "→", report["requests"]["equal"], "equal of", report["requests"]["sent"])
            equal(report["requests"]["equal"], report["requests"]["sent"], "equal ones")
        report, _ = replay(s, "--speed", "max", "--no-correlate", code=1)
        print("without correlation →", report["requests"]["equal"], "equal of", report["requests"]["sent"])
        equal(report["requests"]["equal"], 6, "what needs nothing of an answer: the logins")
    rewrite = os.path.join(s.dir, "rewrite.yaml")
    with open(rewrite, "w", encoding="utf-8") as f:
        f.write("set:\n  - {where: header x-version, value: '2', path: /login}\n  - {where: body.user, value: somebody, path: /login}\n")
    Shop.versions.clear()
    replay(s, "--speed", "max", "--rewrite", rewrite)
    equal(Shop.versions, ["2"] * 6, "the header that was set")
    secret(rewrite)
    r = run(TAPEDECK, "replay", s.capture, "--target", ":1", "--rewrite", os.path.join(s.dir, "none.yaml"), check=False)
    equal(r.returncode, 2, "exit code without the file of rules")


if __name__ == "__main__":
    main()
