"""What the tests of TLS share: an authority and its certificates, made with openssl; a site of nginx that has one; a client."""
import hashlib
import os
import socket
import ssl
import subprocess

from harness import folder, free_port, listening, need, run, spawn, until


class Authority:
    def __init__(self, name="Test CA"):
        need("openssl")
        self.dir = folder()
        self.cert, self.key = self._path("ca.crt"), self._path("ca.key")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            self.key, "-out", self.cert, "-subj", "/CN=" + name, "-days", "30")

    def _path(self, name):
        return os.path.join(self.dir, name)

    def issue(self, file, name, *more):
        """A certificate for that name, 127.0.0.1 and more names: its file and that of its key."""
        cert, key, request = (self._path(file + end) for end in (".crt", ".key", ".csr"))
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
            "-out", request, "-subj", "/CN=" + name)
        names = ",".join(["DNS:" + n for n in (name, *more)] + ["IP:127.0.0.1"])
        extensions = self._path(file + ".ext")
        with open(extensions, "w", encoding="ascii") as f:
            f.write(f"subjectAltName={names}\n")
        run("openssl", "x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days",
            "20", "-extfile", extensions, "-out", cert)
        return cert, key


class Site:
    """nginx with the files of root, plain and over TLS."""

    def __init__(self, root, cert, key, more=""):
        need("nginx")
        where, self.port, self.tls_port = folder(), free_port(), free_port()
        conf = os.path.join(where, "nginx.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"""
daemon off; worker_processes 1; pid {where}/pid; error_log {where}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off; client_body_temp_path {where}/b; proxy_temp_path {where}/p; fastcgi_temp_path {where}/f;
  uwsgi_temp_path {where}/u; scgi_temp_path {where}/s; client_max_body_size 0;
  keepalive_requests 1000000; keepalive_timeout 600s; types {{ text/html html; }}
  ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {cert}; ssl_certificate_key {key}; ssl_session_cache shared:s:10m; {more}
  server {{
    listen 127.0.0.1:{self.port}; listen 127.0.0.1:{self.tls_port} ssl; root {root};
    location = /say {{ return 200 "said $arg_id $ssl_protocol\\n"; }}
  }}
}}
""")
        self.process = spawn("nginx", "-c", conf, "-p", where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("nginx", lambda: listening(self.tls_port) and listening(self.port), 60)


def client_context(*authorities, version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for file in authorities:
        c.load_verify_locations(file)
    if version:
        c.minimum_version = c.maximum_version = version
    return c


class Client:
    """One TLS connection with requests of HTTP/1.1, straight or through a proxy's CONNECT."""

    def __init__(self, context, port, name="site.test", through=None, session=None, timeout=60):
        self.name = name
        raw = socket.create_connection(("127.0.0.1", through or port), timeout)
        if through:
            raw.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                piece = raw.recv(1)
                if not piece:
                    raise ConnectionError("the proxy closed the connection")
                answer += piece
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise ConnectionError(f"CONNECT: {answer!r}")
        self.s = context.wrap_socket(raw, server_hostname=name, session=session)
        self.rest = b""

    def fingerprint(self):
        return hashlib.sha256(self.s.getpeercert(True)).hexdigest()

    def ask(self, path):
        self.s.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.name}\r\n\r\n".encode())

    def _more(self):
        piece = self.s.recv(65536)
        if not piece:
            raise ConnectionError("the connection ended within an answer")
        self.rest += piece

    def answer(self):
        """(status, content)."""
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        n = 0
        for line in lines[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == b"content-length":
                n = int(value)
        while len(self.rest) < n:
            self._more()
        content, self.rest = self.rest[:n], self.rest[n:]
        return int(lines[0].split()[1]), content

    def get(self, path):
        self.ask(path)
        return self.answer()

    def close(self):
        self.s.close()
