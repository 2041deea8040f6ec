"""The shop for a test: with what it depends on, alone, recorded. A test is then a few lines:

    deps = Dependencies()                       # prices, payments (HTTPS), rates (lines), PostgreSQL where it is installed
    with Shop(deps.at) as shop:                 # as it is
        told = client(shop.port)                # what the shop's own tests say; raises where they fail
    taken = Recording(deps)                     # dual: taken.capture, verified; taken.told == told
    deps.stop()
    with taken.alone(TAPEDECK, "mock", taken.capture, ..., "--") as shop:
        equal(client(shop.port), told, "...")   # no dependency runs

Whose is what in a recording: clients reach the shop at taken.inbound, which stands before taken.port; prices and payments are
asked through the proxy, under localhost and deps.ports; rates and the database through ports of their own, taken.maps:
{port that the shop is told: "localhost:port of the server"}.
"""
import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys

from authority import Authority
from harness import TAPEDECK, equal, folder, free_port, listening, need, run, skip, spawn, stop, until
from servers import Postgres

HERE = os.path.dirname(os.path.abspath(__file__))
FOREIGN = re.compile("_proxy$|_ca_|_cert|_cainfo$|_ssl_|^tapedeck_|^pg|^shop_", re.IGNORECASE)


def clean_env(**more):
    """Without what the machine that tests has set; private folders in place of its own."""
    private = folder()
    os.chmod(private, 0o755)
    env = {k: v for k, v in os.environ.items() if not FOREIGN.search(k)}
    places = ("XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CACHE_HOME", "HOME")
    return {**env, **dict.fromkeys(places, private), "PYTHONDONTWRITEBYTECODE": "1", **more}


def program(name):
    return [sys.executable, os.path.join(HERE, name)]


class Dependencies:
    """ports: of prices, payments, rates and perhaps database; at: the environment in which the shop finds them directly."""

    def __init__(self):
        need("openssl")
        if subprocess.run([sys.executable, "-c", "import requests"], check=False, stderr=subprocess.DEVNULL).returncode:
            skip("no python3-requests")
        self.authority = Authority("the shop's payments")
        self.pair = self.authority.leaf()
        self.processes, self.ports = [], {}
        for name, more in (("prices", ()), ("payments", self.pair), ("rates", ())):
            p = spawn(*program("dependencies.py"), name, *more, stdout=subprocess.PIPE, text=True)
            self.ports[name] = int(p.stdout.readline())
            self.processes.append(p)
        if glob.glob("/usr/lib/postgresql/*/bin") and shutil.which("psql"):
            server = Postgres()
            self.ports["database"] = server.port
            self.processes.append(server.process)
        else:
            print("PostgreSQL: passed over, it is not here; the shop keeps its stock itself")
        self.at = self.found_at(self.ports)

    def found_at(self, ports):
        """The environment in which the shop finds them at these ports."""
        env = {"PRICES_URL": f"http://localhost:{ports['prices']}", "PAYMENTS_URL": f"https://localhost:{ports['payments']}",
               "RATES": f"127.0.0.1:{ports['rates']}", "REQUESTS_CA_BUNDLE": self.authority.cert}
        return {**env, "DATABASE": f"127.0.0.1:{ports['database']}"} if "database" in ports else env

    def behind(self, maps):
        """The same where rates and database are reached by these ports."""
        of = {target: port for port, target in maps.items()}
        return self.found_at({name: of.get(f"localhost:{port}", port) for name, port in self.ports.items()})

    def maps(self):
        """A free port for each that knows no proxies."""
        return {free_port(): f"localhost:{self.ports[name]}" for name in ("rates", "database") if name in self.ports}

    def stop(self):
        for p in self.processes:
            stop(p)
        for name, port in self.ports.items():
            assert not listening(port), f"{name} still listens"


class Shop:
    """The shop on a port of its own or the one given, with a new store; at: where its dependencies are, with other variables;
    through: the beginning of a command line that runs it, such as that of tapedeck record."""

    def __init__(self, at, *through, build="", port=None, env=None):
        self.port, self.dir = port or free_port(), folder()
        self.log = os.path.join(self.dir, "log")
        with open(self.log, "wb") as log:
            self.process = spawn(*through, *program("shop.py"), self.port, os.path.join(self.dir, "store.db"), cwd=self.dir,
                                 env=clean_env(**at, SHOP_BUILD=build, **(env or {})), stdout=log, stderr=log)

        def up():
            assert self.process.poll() is None, f"the shop ended with {self.process.returncode}:\n{self.said()}"
            return listening(self.port)

        until("the shop", up, 60)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self, codes=(-15, 143)):
        code = stop(self.process, timeout=60)
        assert code in codes, f"the shop ended with {code}:\n{self.said()}"
        return self

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with contextlib.suppress(*([AssertionError] if kind else [])):
            self.stop()


def client(port, check=True):
    """What the shop's own tests say, told at this port; check=False: (exit code, what they say)."""
    r = run(*program("client.py"), f"http://localhost:{port}", check=check, env=clean_env())
    told = r.stdout.decode()
    return told if check else (r.returncode, told + r.stderr.decode())


class Recording:
    """A session of the shop's own tests, recorded in dual mode; the words at the top say what is whose. like: another recording,
    whose ports it has; sidecar: options of it, such as redact=none, without which tokens and cookies are not in the capture."""

    def __init__(self, deps, build="", like=None, sidecar=()):
        self.deps, self.dir = deps, folder()
        self.capture = os.path.join(self.dir, "shop.db")
        self.port, self.inbound, self.maps = (like.port, like.inbound, like.maps) if like else (free_port(), free_port(), deps.maps())
        self.at = deps.behind(self.maps)
        argv = [TAPEDECK, "record", "--capture", self.capture, "--app-port", self.port, "--in-port", self.inbound]
        for option in (*(f"map={port}={target}" for port, target in self.maps.items()), *sidecar):
            argv += ["--sidecar", option]
        with Shop(self.at, *argv, "--", build=build, port=self.port) as shop:
            self.told = client(self.inbound)
        self.said = shop.said()
        assert "warning" not in self.said, self.said
        run(TAPEDECK, "verify", self.capture)

    def alone(self, *through, **more):
        """The shop where it found its dependencies when it was recorded; through has to be what answers for them."""
        return Shop(self.at, *through, port=self.port, **more)


def same(told, wanted, what):
    """What the shop's tests said, line by line."""
    for got, line in zip(told.splitlines(), wanted.splitlines()):
        equal(got, line, what)
    equal(told, wanted, what)
