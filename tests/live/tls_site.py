"""What the tests of TLS share: a site of nginx, plain and over TLS; a client."""
import hashlib
import socket
import ssl

from authority import Nginx
from harness import free_port


class Site(Nginx):
    """nginx with the files of root, plain and over TLS."""

    def __init__(self, root, cert, key, more=""):
        self.port, self.tls_port = free_port(), free_port()
        super().__init__(f"""
  keepalive_requests 1000000; keepalive_timeout 600s; types {{ text/html html; }}
  ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {cert}; ssl_certificate_key {key}; ssl_session_cache shared:s:10m; {more}
  server {{
    listen 127.0.0.1:{self.port}; listen 127.0.0.1:{self.tls_port} ssl; root {root};
    location = /say {{ return 200 "said $arg_id $ssl_protocol\\n"; }}
  }}""", (self.tls_port, self.port), 16384)


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
