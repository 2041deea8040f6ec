"""The shop's own tests, those that its users' programs would make: client.py URL. Prints a line for each thing that holds, with
nothing in it that is another at every run; exits 1 at the first that does not."""
import gzip
import hashlib
import http.client
import json
import re
import sys
import time
from urllib.parse import urlencode, urlsplit

UNKNOWN = "00000000-0000-4000-8000-000000000000"
FILE = bytes(range(256)) * 200


def holds(what, got, wanted=True):
    if got != wanted:
        print(f"{what}: got {got!r}, wanted {wanted!r}", flush=True)
        sys.exit(1)
    print(what, "-" if wanted is True else wanted, flush=True)


class Answer:
    def __init__(self, r):
        self.status, self.headers, self.content = r.status, r.headers, r.read()
        if r.headers.get("Content-Encoding") == "gzip":
            self.content = gzip.decompress(self.content)

    @property
    def json(self):
        return json.loads(self.content)


class Session:
    """One connection, and who is signed in on it: a token that has ended is refreshed, once, and the request said again."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self.access = self.refresh = None
        self.refreshed = 0

    def once(self, method, path, value=None, body=None, **headers):
        headers = {name.replace("_", "-"): text for name, text in headers.items()}
        if value is not None:
            body, headers["Content-Type"] = json.dumps(value), "application/json"
        if self.access:
            headers["Authorization"] = "Bearer " + self.access
        self.connection.request(method, path, body, headers)
        return Answer(self.connection.getresponse())

    def ask(self, *what, **more):
        answer = self.once(*what, **more)
        if answer.status == 401 and self.refresh and "invalid_token" in answer.headers.get("WWW-Authenticate", ""):
            self.take(self.once("POST", "/refresh", {"refresh_token": self.refresh}))
            self.refreshed += 1
            answer = self.once(*what, **more)
        return answer

    def take(self, answer):
        holds("tokens", answer.status // 100, 2)
        self.access, self.refresh = answer.json["access_token"], answer.json["refresh_token"]

    def login(self, user, password):
        self.take(self.once("POST", "/login", {"user": user, "password": password}))


def signing_in(s):
    holds("health", s.ask("GET", "/health").json, {"status": "ok"})
    r = s.ask("GET", "/orders")
    holds("without a token", (r.status, r.headers["WWW-Authenticate"]), (401, 'Bearer realm="shop"'))
    holds("a wrong password", s.ask("POST", "/login", {"user": "alice", "password": "x"}).status, 401)
    holds("what is no JSON", s.ask("POST", "/login", body="{", Content_Type="application/json").status, 400)
    holds("no such page", s.ask("GET", "/nowhere").status, 404)
    holds("no such method", s.ask("PUT", "/orders", {}).status, 405)
    s.login("alice", "wonderland")


def buying(s):
    """The orders made."""
    r = s.ask("GET", "/catalogue", Accept_Encoding="gzip")
    holds("the catalogue is compressed", r.headers["Content-Encoding"], "gzip")
    price = {p["sku"]: p["price"] for p in r.json["products"]}
    holds("prices", price, {"tea": 4.5, "cup": 12, "pot": 39.9})
    made = []
    for items, currency, total in (({"tea": 2, "cup": 1}, "EUR", 21), ({"tea": 10}, "EUR", 40.5), ({"pot": 1}, "USD", 44.09),
                                   ({"cup": 1}, "EUR", 12), ({"cup": 1}, "EUR", 12)):
        r = s.ask("POST", "/orders", {"items": [{"sku": k, "quantity": n} for k, n in items.items()], "currency": currency,
                                      "tags": ["new", "web"]})
        holds("an order is made", r.status, 201)
        o = r.json
        holds("its total", (o["total"], o["currency"], o["status"]), (total, currency, "paid"))
        holds("its items", {i["sku"]: i["unit"] for i in o["items"]}, {k: price[k] for k in items})
        holds("its place", r.headers["Location"] == "/orders/" + o["id"])
        made.append(o)
    holds("ids differ", len({o["id"] for o in made}), len(made))
    holds("numbers", [o["number"] for o in made], [1, 2, 3, 4, 5])
    for what, items, status in (("a bad quantity", [{"sku": "tea", "quantity": 0}], 422), ("no items", [], 422),
                                ("an unknown sku", [{"sku": "coal", "quantity": 1}], 422),
                                ("more than there is", [{"sku": "pot", "quantity": 500}], 409),
                                ("a card that is declined", [{"sku": "gold", "quantity": 1}], 402)):
        r = s.ask("POST", "/orders", {"items": items})
        holds(what, (r.status, list(r.json)), (status, ["error"]))
    return made


def looking(s, made):
    for o in made[:2]:
        r = s.ask("GET", "/orders/" + o["id"])
        holds("the order is what it was", (r.status, r.json == o), (200, True))
        again = s.ask("GET", "/orders/" + o["id"], If_None_Match=r.headers["ETag"])
        holds("it has not changed", (again.status, again.content, again.headers["ETag"] == r.headers["ETag"]), (304, b"", True))
        head = s.ask("HEAD", "/orders/" + o["id"])
        holds("its head", (head.status, head.content, head.headers["Content-Length"] == r.headers["Content-Length"]), (200, b"", True))
    holds("an unknown order", s.ask("GET", "/orders/" + UNKNOWN).status, 404)
    path, seen, pages = "/orders?limit=2", [], 0
    while path:
        page = s.ask("GET", path).json
        seen += page["orders"]
        pages += 1
        path = page["next"] and "/orders?" + urlencode({"limit": 2, "cursor": page["next"]})
    holds("pages", (pages, [o["number"] for o in seen], [o["id"] for o in seen] == [o["id"] for o in made]), (3, [1, 2, 3, 4, 5], True))
    r = s.ask("POST", f"/orders/{made[0]['id']}/cancel")
    holds("cancelled", (r.status, r.json["status"], r.json["id"] == made[0]["id"]), (200, "cancelled", True))
    holds("cancelled twice", s.ask("POST", f"/orders/{made[0]['id']}/cancel").status, 409)
    holds("shown as cancelled", s.ask("GET", "/orders/" + made[0]["id"]).json["status"], "cancelled")


def attaching(s, o):
    line = "a-line-that-parts"
    body = (f'--{line}\r\nContent-Disposition: form-data; name="file"; filename="all.bin"\r\n'
            "Content-Type: application/x-bytes\r\n\r\n").encode() + FILE + f"\r\n--{line}--\r\n".encode()
    path = f"/orders/{o['id']}/attachment"
    holds("no attachment yet", s.ask("GET", path).status, 404)
    r = s.ask("POST", path, body=body, Content_Type=f"multipart/form-data; boundary={line}")
    holds("attached", (r.status, r.json),
          (201, {"name": "all.bin", "size": len(FILE), "sha256": hashlib.sha256(FILE).hexdigest()}))
    r = s.ask("GET", path)
    holds("the attachment", (r.headers["Content-Type"], r.content == FILE), ("application/x-bytes", True))


def refreshing(s):
    old = s.refresh
    holds("another password", s.ask("PUT", "/password", {"password": "looking-glass"}).status, 204)
    r = s.ask("GET", "/orders?limit=1")
    holds("the token was refreshed, once", (r.status, r.json["orders"][0]["number"], s.refreshed), (200, 1, 1))
    holds("a refresh token is for one use", s.once("POST", "/refresh", {"refresh_token": old}).status, 401)


def writing(s):
    def send(csrf):
        return s.ask("POST", "/contact", body=urlencode({"csrf": csrf, "message": "tea & <cups>"}), Cookie=cookie,
                     Content_Type="application/x-www-form-urlencoded")

    r = s.ask("GET", "/contact")
    cookie = r.headers["Set-Cookie"].split(";")[0]
    csrf = re.search(r'name="csrf" value="([0-9a-f]{32})"', r.content.decode()).group(1)
    holds("a form of another", send("0" * 32).status, 403)
    r = send(csrf)
    holds("the form", (r.status, r.headers["Location"]), (303, "/contact/thanks"))
    holds("thanks", b"<p>tea &amp; &lt;cups&gt;</p>" in s.ask("GET", "/contact/thanks", Cookie=cookie).content)
    holds("the form, twice", send(csrf).status, 403)


def another(url, o):
    """Another user does not see it."""
    s = Session(url)
    s.login("bob", "builder")
    holds("the order of another", s.ask("GET", "/orders/" + o["id"]).status, 404)
    holds("no orders", s.ask("GET", "/orders").json, {"orders": [], "next": None})


def exporting(url, s):
    """By a connection of its own, with the same token; at leisure, so that order is kept at the recorded speed."""
    time.sleep(0.3)
    fetch = Session(url)
    fetch.access = s.access
    r = fetch.ask("GET", "/orders.csv")
    holds("the export", (r.headers["Transfer-Encoding"], r.content.decode().split()), ("chunked", [
        "number,status,total,currency", "1,cancelled,21.0,EUR", "2,paid,40.5,EUR", "3,paid,44.09,USD", "4,paid,12.0,EUR",
        "5,paid,12.0,EUR"]))


def main():
    url = sys.argv[1]
    s = Session(url)
    signing_in(s)
    made = buying(s)
    looking(s, made)
    attaching(s, made[1])
    refreshing(s)
    writing(s)
    exporting(url, s)
    another(url, made[1])
    print("the shop: fine")


main()
