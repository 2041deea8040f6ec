"""A shop, the application of the tests: shop.py PORT FILE. An HTTP/1.1 API with a session store of its own in FILE.

Environment: PRICES_URL, PAYMENTS_URL, RATES and perhaps DATABASE (HOST:PORT): what it depends on (asks.py); SHOP_KEY (tokens.py);
SHOP_BUILD: in what a new build is another, any of BUILDS, comma-separated.
"""
import gzip
import hashlib
import html
import json
import os
import re
import secrets
import sqlite3
import sys
import threading
import uuid
from datetime import datetime, timezone
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import asks
import tokens

# All but the first are in the view of one order, GET /orders/{id}, alone.
BUILDS = ("login-201", "total-as-text", "status-other", "no-currency", "note-extra", "cache-header")
BUILD = set(filter(None, os.environ.get("SHOP_BUILD", "").split(",")))
assert BUILD <= set(BUILDS), BUILD

TABLES = """
CREATE TABLE IF NOT EXISTS user (name TEXT PRIMARY KEY, password TEXT, generation INTEGER);
CREATE TABLE IF NOT EXISTS refresh (token TEXT PRIMARY KEY, user TEXT);
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, user TEXT, number INTEGER, document TEXT, charge TEXT, cancelled INTEGER);
CREATE TABLE IF NOT EXISTS attachment (of TEXT PRIMARY KEY, type TEXT, bytes BLOB);
CREATE TABLE IF NOT EXISTS visit (id TEXT PRIMARY KEY, csrf TEXT, message TEXT);
"""
_lock = threading.Lock()


def db(sql, *values):
    with _lock:
        return db.connection.execute(sql, values).fetchall()


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Refused(Exception):
    def __init__(self, status, error, **headers):
        super().__init__(error)
        self.status, self.value, self.headers = status, {"error": error}, headers


class Answer:
    """value: what becomes JSON, bytes of a type, or a generator of pieces, which is sent in chunks."""

    def __init__(self, status, value=None, kind="application/json", **headers):
        self.status, self.value, self.kind, self.headers = status, value, kind, headers


# ---- Users

def issued(user, generation, status=200):
    token = secrets.token_urlsafe(24)
    db("INSERT INTO refresh VALUES (?, ?)", token, user)
    return Answer(status, {"access_token": tokens.issue(user, generation), "token_type": "Bearer", "expires_in": tokens.LASTS,
                           "refresh_token": token})


def event(what, user):
    asks.payments("/events", {"event": what, "user": user, "at": now(), "id": str(uuid.uuid4())}, 202)


def login(request):
    given = request.json()
    rows = db("SELECT generation FROM user WHERE name = ? AND password = ?", given.get("user"), given.get("password"))
    if not rows:
        raise Refused(401, "wrong user or password")
    event("login", given["user"])
    return issued(given["user"], rows[0][0], 201 if "login-201" in BUILD else 200)


def refresh(request):
    """A token is good for one use."""
    rows = db("DELETE FROM refresh WHERE token = ? RETURNING user", request.json().get("refresh_token"))
    if not rows:
        raise Refused(401, "unknown refresh token")
    user = rows[0][0]
    return issued(user, db("SELECT generation FROM user WHERE name = ?", user)[0][0])


def password(request, user):
    """The access tokens there are end with it."""
    db("UPDATE user SET password = ?, generation = generation + 1 WHERE name = ?", request.json()["password"], user)
    event("password", user)
    return Answer(204)


# ---- Orders

def catalogue(_request):
    found = [asks.price(sku, 1) for sku in ("tea", "cup", "pot")]
    return Answer(200, {"products": [{"sku": p["sku"], "price": p["unit"], "currency": p["currency"]} for p in found]})


def priced(items):
    if not isinstance(items, list) or not items:
        raise Refused(422, "items: at least one")
    found = []
    for item in items:
        if not isinstance(item.get("quantity"), int) or item["quantity"] < 1:
            raise Refused(422, "quantity: at least 1")
        p = asks.price(item.get("sku"), item["quantity"])
        if not p:
            raise Refused(422, "sku: unknown")
        found.append({"sku": p["sku"], "quantity": p["quantity"], "unit": p["unit"], "total": p["total"]})
    return found


def order(request, user):
    given = request.json()
    items = priced(given.get("items"))
    rate, fee = asks.rates("EUR", given["currency"], "GBP") if given.get("currency", "EUR") != "EUR" else (1, 0)
    for item in items:
        if db.stock.take(item["sku"], item["quantity"]) is None:
            raise Refused(409, "out of stock")
    made = {"id": str(uuid.uuid4()), "number": db("SELECT count(*) + 1 FROM orders WHERE user = ?", user)[0][0], "created": now(),
            "status": "paid", "items": items, "total": round(sum(i["total"] for i in items) * rate + fee, 2),
            "currency": given.get("currency", "EUR"), "tags": given.get("tags", [])}
    status, charge = asks.payments("/charges", {"amount": made["total"], "currency": made["currency"], "reference": made["id"]},
                                   201, 402)
    if status == 402:
        raise Refused(402, "declined")
    db("INSERT INTO orders VALUES (?, ?, ?, ?, ?, 0)", made["id"], user, made["number"], json.dumps(made), charge["id"])
    return Answer(201, made, Location="/orders/" + made["id"])


def _own(user, name):
    """(what is shown, charge, whether it is cancelled) of an order of this user."""
    rows = db("SELECT document, charge, cancelled FROM orders WHERE id = ? AND user = ?", name, user)
    if not rows:
        raise Refused(404, "no such order")
    document, charge, cancelled = rows[0]
    return {**json.loads(document), **({"status": "cancelled"} if cancelled else {})}, charge, cancelled


def one(request, user, name):
    shown = _own(user, name)[0]
    tag = '"' + hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:32] + '"'
    if request.headers.get("If-None-Match") == tag:
        return Answer(304, ETag=tag)
    if "total-as-text" in BUILD:
        shown["total"] = str(shown["total"])
    if "status-other" in BUILD:
        shown["status"] = "settled"
    if "no-currency" in BUILD:
        del shown["currency"]
    if "note-extra" in BUILD:
        shown["note"] = "new"
    return Answer(200, shown, ETag=tag, Cache_Control="no-cache" if "cache-header" in BUILD else "private, max-age=60")


def listed(request, user):
    limit = int(request.query.get("limit", 10))
    after = tokens.cursor_read(request.query["cursor"]) if "cursor" in request.query else ""
    first = db("SELECT number FROM orders WHERE id = ? AND user = ?", after, user) if after else [(0,)]
    if not first:
        raise Refused(400, "cursor: not of this list")
    rows = db("SELECT id FROM orders WHERE user = ? AND number > ? ORDER BY number LIMIT ?", user, first[0][0], limit + 1)
    found = [_own(user, row[0])[0] for row in rows[:limit]]
    return Answer(200, {"orders": [{k: o[k] for k in ("id", "number", "status", "total", "currency")} for o in found],
                        "next": tokens.cursor(found[-1]["id"]) if len(rows) > limit else None})


def cancel(_request, user, name):
    _, charge, cancelled = _own(user, name)
    if cancelled:
        raise Refused(409, "already cancelled")
    asks.payments(f"/charges/{charge}/refund", {"reason": "cancelled"}, 200)
    db("UPDATE orders SET cancelled = 1 WHERE id = ?", name)
    return Answer(200, {"id": name, "status": "cancelled", "refunded": True})


def exported(_request, user):
    """A piece a line."""
    def pieces():
        yield b"number,status,total,currency\r\n"
        for document, cancelled in db("SELECT document, cancelled FROM orders WHERE user = ? ORDER BY number", user):
            o = json.loads(document)
            yield f"{o['number']},{'cancelled' if cancelled else o['status']},{o['total']},{o['currency']}\r\n".encode()

    return Answer(200, pieces(), "text/csv; charset=utf-8", Content_Disposition='attachment; filename="orders.csv"')


def attach(request, user, name):
    _own(user, name)
    parts = BytesParser().parsebytes(b"Content-Type: " + request.headers["Content-Type"].encode() + b"\r\n\r\n" + request.content())
    files = [p for p in parts.get_payload() if p.get_filename()] if parts.is_multipart() else []
    if not files:
        raise Refused(422, "no file")
    kept = files[0].get_payload(decode=True)
    db("INSERT OR REPLACE INTO attachment VALUES (?, ?, ?)", name, files[0].get_content_type(), kept)
    return Answer(201, {"name": files[0].get_filename(), "size": len(kept), "sha256": hashlib.sha256(kept).hexdigest()})


def attachment(_request, user, name):
    _own(user, name)
    rows = db("SELECT type, bytes FROM attachment WHERE of = ?", name)
    if not rows:
        raise Refused(404, "no attachment")
    return Answer(200, rows[0][1], rows[0][0])


# ---- Pages

PAGE = "<!doctype html>\n<title>{title}</title>\n<h1>{title}</h1>\n{rest}\n"
HTML = "text/html; charset=utf-8"
FORM = """<form method="post" action="/contact">
<input type="hidden" name="csrf" value="{csrf}">
<input name="message"><button>Send</button>
</form>"""


def contact(request):
    visit, csrf = request.cookie("visit"), secrets.token_hex(16)
    if not visit or not db("UPDATE visit SET csrf = ? WHERE id = ? RETURNING id", csrf, visit):
        visit = secrets.token_urlsafe(18)
        db("INSERT INTO visit VALUES (?, ?, '')", visit, csrf)
    return Answer(200, PAGE.format(title="Contact", rest=FORM.format(csrf=csrf)).encode(), HTML,
                  Set_Cookie=f"visit={visit}; Path=/; HttpOnly; SameSite=Lax")


def contacted(request):
    form = {k: v[0] for k, v in parse_qs(request.content().decode()).items()}
    if not db("UPDATE visit SET message = ?, csrf = '' WHERE id = ? AND csrf <> '' AND csrf = ? RETURNING id", form.get("message", ""),
              request.cookie("visit"), form.get("csrf")):
        raise Refused(403, "csrf: not of this visit")
    return Answer(303, Location="/contact/thanks")


def thanks(request):
    rows = db("SELECT message FROM visit WHERE id = ?", request.cookie("visit"))
    if not rows:
        raise Refused(404, "no visit")
    return Answer(200, PAGE.format(title="Thanks", rest=f"<p>{html.escape(rows[0][0])}</p>").encode(), HTML)


# ---- The server

ID = "([0-9a-f-]{36})"
ROUTES = [(method, re.compile(path), handler, signed_in) for method, path, handler, signed_in in (
    ("GET", "/health", lambda _: Answer(200, {"status": "ok"}), False),
    ("POST", "/login", login, False),
    ("POST", "/refresh", refresh, False),
    ("PUT", "/password", password, True),
    ("GET", "/catalogue", catalogue, False),
    ("POST", "/orders", order, True),
    ("GET", "/orders", listed, True),
    ("GET", r"/orders\.csv", exported, True),
    ("GET", "/orders/" + ID, one, True),
    ("POST", f"/orders/{ID}/cancel", cancel, True),
    ("POST", f"/orders/{ID}/attachment", attach, True),
    ("GET", f"/orders/{ID}/attachment", attachment, True),
    ("GET", "/contact", contact, False),
    ("POST", "/contact", contacted, False),
    ("GET", "/contact/thanks", thanks, False),
)]


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Shop/1", ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # an answer is one write

    def log_message(self, *_):
        pass

    def content(self):
        if self.body is None:
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return self.body

    def json(self):
        try:
            value = json.loads(self.content())
        except ValueError as e:
            raise Refused(400, "not JSON") from e
        if not isinstance(value, dict):
            raise Refused(400, "not an object")
        return value

    def cookie(self, name):
        m = re.search(rf"(?:^|; ){name}=([^;]*)", self.headers.get("Cookie", ""))
        return m and m.group(1)

    def user(self):
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer":
            raise Refused(401, "no token", WWW_Authenticate='Bearer realm="shop"')
        claims = tokens.read(token)
        if not claims or not db("SELECT 1 FROM user WHERE name = ? AND generation = ?", claims["sub"], claims["generation"]):
            raise Refused(401, "invalid token", WWW_Authenticate='Bearer realm="shop", error="invalid_token"')
        return claims["sub"]

    def answer_of(self, path):
        there = [(method, m, handler, signed_in) for method, route, handler, signed_in in ROUTES if (m := route.fullmatch(path))]
        wanted = "GET" if self.command == "HEAD" else self.command
        for method, m, handler, signed_in in there:
            if method == wanted:
                return handler(self, *([self.user()] if signed_in else []), *m.groups())
        raise Refused(405 if there else 404, "not here")

    def do(self):
        url = urlsplit(self.path)
        self.query, self.body = {k: v[0] for k, v in parse_qs(url.query).items()}, None
        try:
            answer = self.answer_of(url.path)
        except Refused as e:
            answer = Answer(e.status, e.value, **e.headers)
        except asks.Unavailable as e:
            answer = Answer(502, {"error": str(e)})
        self.content()
        self.say(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do

    def say(self, answer):
        value, headers = answer.value, {"X-Request-Id": str(uuid.uuid4())}
        if isinstance(value, dict):
            value = json.dumps(value).encode()
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                value = gzip.compress(value)
                headers["Content-Encoding"] = "gzip"
        headers.update((name.replace("_", "-"), text) for name, text in answer.headers.items())
        if value is not None:
            headers["Content-Type"] = answer.kind
        if value is None or isinstance(value, bytes):
            if answer.status not in (204, 304):
                headers["Content-Length"] = str(len(value or b""))
        else:
            headers.update({"Transfer-Encoding": "chunked", "Trailer": "X-Lines"})
        self.send_response(answer.status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        if value is not None and self.command != "HEAD":
            self.say_content(value)

    def say_content(self, value):
        if isinstance(value, bytes):
            self.wfile.write(value)
            return
        count = 0
        for piece in value:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            count += 1
        self.wfile.write(b"0\r\nX-Lines: %d\r\n\r\n" % count)


class Server(ThreadingHTTPServer):
    request_queue_size = 128


def main():
    db.connection = sqlite3.connect(sys.argv[2], check_same_thread=False, isolation_level=None)
    db.connection.executescript(TABLES)
    for name, word in (("alice", "wonderland"), ("bob", "builder")):
        db("INSERT OR IGNORE INTO user VALUES (?, ?, 0)", name, word)
    db.stock = asks.Postgres(os.environ["DATABASE"]) if os.environ.get("DATABASE") else asks.OwnStock(db)
    Server(("127.0.0.1", int(sys.argv[1])), Request).serve_forever()


main()
