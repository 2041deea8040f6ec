"""How the shop asks what it depends on: prices and payments over HTTP, by the environment's proxies; rates over TCP; its stock
in PostgreSQL, by psql, where there is one, else in the shop's own file."""
import os
import socket
import subprocess
import threading

import requests

_of_thread = threading.local()


class Unavailable(Exception):
    """A dependency did not answer as it should."""


def _session():
    """One a thread, which is one a client's connection: kept connections are used again."""
    if not hasattr(_of_thread, "session"):
        _of_thread.session = requests.Session()
    return _of_thread.session


def http(method, url, statuses, **more):
    """(status, value); one of statuses."""
    try:
        r = _session().request(method, url, timeout=20, **more)
        value = r.json()
    except (requests.RequestException, ValueError) as e:
        raise Unavailable(f"{url}: {e}") from e
    if r.status_code not in statuses:
        raise Unavailable(f"{url}: {r.status_code} {r.text[:2000]}")
    return r.status_code, value


def price(sku, quantity):
    """None: unknown."""
    status, value = http("GET", os.environ["PRICES_URL"] + "/prices", (200, 404), params={"sku": sku, "quantity": quantity})
    return value if status == 200 else None


def payments(path, value, *statuses):
    return http("POST", os.environ["PAYMENTS_URL"] + path, statuses, json=value)


def rates(source, *targets):
    """All in one conversation."""
    def told(start):
        line = lines.readline().decode().strip()
        if not line.startswith(start):
            raise Unavailable(f"rates: {line!r}")
        return line.split()[-1]

    host, port = os.environ["RATES"].rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=20) as s, s.makefile("rb") as lines:
            told("RATES 1")
            found = []
            for target in targets:
                s.sendall(f"RATE {source} {target}\r\n".encode())
                found.append(float(told("OK")))
            s.sendall(b"QUIT\r\n")
            told("BYE")
            return found
    except OSError as e:
        raise Unavailable(f"rates: {e}") from e


STOCK = """
CREATE TABLE IF NOT EXISTS stock (sku text PRIMARY KEY, quantity integer NOT NULL);
DELETE FROM stock;
INSERT INTO stock VALUES ('tea', 100), ('cup', 50), ('pot', 5), ('gold', 1);
"""
TAKE = "UPDATE stock SET quantity = quantity - {n} WHERE sku = '{sku}' AND quantity >= {n} RETURNING quantity"


class OwnStock:
    """In the shop's own file; run is a function that runs a statement, and returns its rows."""

    def __init__(self, run):
        self.run = run
        for statement in filter(str.strip, STOCK.split(";")):
            run(statement)

    def take(self, sku, n):
        """What is left, None: there is not so much."""
        rows = self.run(TAKE.format(sku=sku, n=n))
        return rows[0][0] if rows else None


class Postgres:
    """A session for each statement, as psql makes it."""

    def __init__(self, address):
        self.host, self.port = address.rsplit(":", 1)
        self._run(STOCK)

    def _run(self, sql):
        r = subprocess.run(["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql,
                            f"host={self.host} port={self.port} user=postgres dbname=postgres sslmode=disable gssencmode=disable"],
                           capture_output=True, text=True, timeout=60, check=False)
        if r.returncode != 0:
            raise Unavailable("stock: " + r.stderr)
        return r.stdout.split()

    def take(self, sku, n):
        left = self._run(TAKE.format(sku=sku, n=n))
        return int(left[0]) if left else None
