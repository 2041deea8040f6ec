"""TLS that begins in the middle of a connection: real servers and clients behind ports that stand for them, as without us and
decrypted in the capture; and a client that trusts another authority is led past us from its second connection on."""
import glob
import os
import shutil
import socket
import subprocess
import threading

from authority import Authority
from harness import Sidecar, equal, folder, need, run
from servers import Mariadb, Postgres

# By the name that openssl s_client has for it: greeting, what the client says before it asks, the question, its answer.
LINES = {
    "smtp": (b"220 mx ESMTP\r\n", (b"EHLO",), b"STARTTLS", b"220 go\r\n"),
    "imap": (b"* OK ready\r\n", (b". CAPABILITY",), b". STARTTLS", b". OK go\r\n"),
    "pop3": (b"+OK ready\r\n", (), b"STLS", b"+OK go\r\n"),
    "ftp": (b"220 files\r\n", (), b"AUTH TLS", b"234 go\r\n"),
    "nntp": (b"200 news\r\n", (b"CAPABILITIES",), b"STARTTLS", b"382 go\r\n"),
}
ANSWERS = {b"EHLO": b"250-mx\r\n250 STARTTLS\r\n", b". CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\n. OK\r\n",
           b"CAPABILITIES": b"101 these\r\nSTARTTLS\r\n.\r\n"}


class LineServer:
    """Speaks one of LINES up to TLS, then answers a line with itself in capitals, and ends."""

    def __init__(self, name, pair):
        import ssl  # pylint: disable=import-outside-toplevel
        self.greeting, self.before, self.question, self.answer = LINES[name]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._all, daemon=True).start()

    def _all(self):
        while True:
            threading.Thread(target=self._one, args=(self.listener.accept()[0],), daemon=True).start()

    @staticmethod
    def _line(s):
        line = b""
        while not line.endswith(b"\n"):
            more = s.recv(1)
            if not more:
                raise ConnectionError("the client has gone")
            line += more
        return line

    def _one(self, s):
        try:
            s.sendall(self.greeting)
            while True:
                line = self._line(s)
                if line.startswith(self.question):
                    break
                s.sendall(next((ANSWERS[b] for b in self.before if line.startswith(b)), b"500 what?\r\n"))
            s.sendall(self.answer)
            with self.context.wrap_socket(s, server_side=True) as t:
                t.sendall(self._line(t).upper())
                t.unwrap().close()
        except OSError:
            pass


def sidecar(own, authority, *maps):
    s = Sidecar("--proxy-type", "forward", "--tls-out", "--tls-starttls", "--tls-ca-dir", own, "--upstream-ca", authority.cert,
                *(w for m in maps for w in ("--map", f"0=localhost:{m}"))).start()
    s.at = [int(m.split("=")[0].rsplit(":", 1)[1]) for m in s.ready["maps"]]
    s.ours = os.path.join(own, "tapedeck-ca.crt")
    return s


def s_client(name, port, ca):
    r = run("openssl", "s_client", "-quiet", "-verify_quiet", "-verify_return_error", "-CAfile", ca, "-starttls", name, "-connect",
            f"localhost:{port}", "-servername", "localhost", input=b"hello there\n", check=False, timeout=60)
    return r.returncode, r.stdout.replace(b"\r", b"").strip().split(b"\n")[-1]


def asked(s, text):
    """In how many requests that is."""
    return s.one(f"SELECT count(DISTINCT txn) FROM content WHERE side = 'request' AND instr(bytes, CAST('{text}' AS BLOB))")


def private():
    own = folder()
    os.chmod(own, 0o700)
    return own


def lines(authority, pair):
    servers = {name: LineServer(name, pair) for name in LINES}
    s = sidecar(private(), authority, *(server.port for server in servers.values()))
    for (name, server), at in zip(servers.items(), s.at):
        direct = s_client(name, server.port, authority.cert)
        equal(direct[1], b"HELLO THERE", f"{name}, direct")
        equal(s_client(name, at, s.ours), direct, name)
        print(name, "as direct", flush=True)
    s.stop()
    equal(s.rows("SELECT mode, why, sni FROM handshakes"), [("intercepted", "", "localhost")] * len(LINES), "handshakes")
    equal(s.one("SELECT count(*) FROM http WHERE scheme = '' AND protocol = 'raw'"), 2 * len(LINES), "conversations")
    equal(asked(s, "hello there"), len(LINES), "decrypted requests")
    s.verify()


def pinned(authority, pair):
    """Whoever does not trust us loses a connection, and has the next ones as without us."""
    server = LineServer("smtp", pair)
    s = sidecar(private(), authority, server.port)
    equal(s_client("smtp", s.at[0], authority.cert)[0] != 0, True, "the first connection fails")
    for _ in range(2):
        equal(s_client("smtp", s.at[0], authority.cert), (0, b"HELLO THERE"), "a later connection")
    s.stop()
    equal(s.rows("SELECT mode, why FROM handshakes WHERE mode <> 'refused'"), [("opaque", "client-refused")] * 2, "handshakes")
    s.verify()


def ask(*argv, **more):
    r = run(*argv, check=False, timeout=60, **more)
    return r.returncode, r.stdout


def postgres(authority, pair):
    if not (glob.glob("/usr/lib/postgresql/*/bin") and shutil.which("psql")):
        print("postgres: passed over, it is not here")
        return
    server = Postgres(pair)
    s = sidecar(private(), authority, server.port)

    def query(port, ca):
        return ask("psql", "-At", "-c", "SELECT 40 + 2, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
                   f"host=localhost port={port} user=postgres sslmode=verify-full sslrootcert={ca}")

    equal(query(server.port, authority.cert), (0, b"42|t\n"), "direct")
    equal(query(s.at[0], s.ours), (0, b"42|t\n"), "through us")
    s.stop()
    equal(s.rows("SELECT mode, why FROM handshakes"), [("intercepted", "")], "handshakes")
    equal(asked(s, "SELECT 40 + 2"), 1, "the query in the capture")
    s.verify()
    print("postgres: as direct", flush=True)


def mariadb(authority, pair):
    if not shutil.which("mariadbd") or not shutil.which("mariadb"):
        print("mariadb: passed over, it is not here")
        return
    server = Mariadb(pair)
    s = sidecar(private(), authority, server.port)

    def query(port, ca):
        return ask("mariadb", "--no-defaults", "-h", "localhost", "--protocol=tcp", "-P", port, "-u", "root", f"--ssl-ca={ca}",
                   "--ssl-verify-server-cert", "-N", "-e", "SELECT 40 + 2")

    equal(query(server.port, authority.cert), (0, b"42\n"), "direct")
    equal(query(s.at[0], s.ours), (0, b"42\n"), "through us")
    s.stop()
    equal(s.rows("SELECT mode, why FROM handshakes"), [("intercepted", "")], "handshakes")
    equal(asked(s, "SELECT 40 + 2"), 1, "the query in the capture")
    s.verify()
    print("mariadb: as direct", flush=True)


def main():
    need("openssl")
    authority = Authority()
    pair = authority.leaf()
    lines(authority, pair)
    pinned(authority, pair)
    postgres(authority, pair)
    mariadb(authority, pair)
    print("starttls: fine")


main()
