"""What the shop depends on, one a process: dependencies.py prices | payments CERT KEY | rates. Prints its port on 127.0.0.1.

prices    HTTP: a sku's price, which depends on the query; compressed where the client takes it.
payments  HTTPS: charges, refunds, and a log of events. Its ids are random.
rates     lines over TCP; it speaks first: "RATE EUR USD" is answered with a number, "QUIT" ends.
"""
import gzip
import json
import re
import socketserver
import ssl
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PRICES = {"tea": 4.5, "cup": 12, "pot": 39.9, "gold": 5000}
RATES = {("EUR", "USD"): "1.0837", ("EUR", "GBP"): "0.8521"}
CHARGE_MAX = 1000


class Json(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # an answer is one write

    def log_message(self, *_):
        pass

    def content(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")

    def say(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Prices(Json):
    def do_GET(self):
        query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
        unit, quantity = PRICES.get(query.get("sku")), int(query.get("quantity", 1))
        if unit is None:
            self.say(404, {"error": "unknown sku"})
            return
        off = 10 if quantity >= 10 else 0
        self.say(200, {"sku": query["sku"], "quantity": quantity, "unit": unit, "off_percent": off,
                       "total": round(unit * quantity * (100 - off) / 100, 2), "currency": "EUR"})


class Payments(Json):
    def do_POST(self):
        value = self.content()
        refund = re.fullmatch(r"/charges/(ch_[0-9a-f]{32})/refund", self.path)
        if self.path == "/charges":
            if value["amount"] > CHARGE_MAX:
                self.say(402, {"error": "declined", "limit": CHARGE_MAX})
                return
            self.say(201, {"id": "ch_" + uuid.uuid4().hex, "status": "captured", "amount": value["amount"],
                           "reference": value["reference"]})
        elif refund:
            self.say(200, {"id": refund.group(1), "status": "refunded"})
        elif self.path == "/events":
            self.say(202, {"accepted": 1})
        else:
            self.say(404, {"error": "not found"})


class Rates(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"RATES 1 READY\r\n")
        for line in self.rfile:
            words = line.decode().split()
            if words == ["QUIT"]:
                self.wfile.write(b"BYE\r\n")
                break
            rate = RATES.get(tuple(words[1:])) if words[:1] == ["RATE"] else None
            self.wfile.write((f"OK {rate}" if rate else "ERROR no such rate").encode() + b"\r\n")


class Lines(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


def main():
    what, here = sys.argv[1], ("127.0.0.1", 0)
    if what == "rates":
        server = Lines(here, Rates)
    else:
        server = ThreadingHTTPServer(here, Prices if what == "prices" else Payments)
    if what == "payments":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[2:])
        # A handshake is its own connection's affair.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    server.serve_forever()


main()
