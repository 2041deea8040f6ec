"""For the tests of mocks: small servers that count what they are asked, and a mock beside a capture."""
import http.server
import socket
import ssl
import threading

from harness import Sidecar


class Web:
    """HTTP on a port; over TLS with a pair of files. asked: the requests so far."""

    def __init__(self, pair=None):
        self.asked = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                said = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                owner.asked.append(f"{self.command} {self.path}")
                body = f"{self.command} {self.path} {said.decode()} {len(owner.asked)}\n".encode()
                self.send_response(404 if "missing" in self.path else 200)
                self.send_header("Content-Type", "text/plain")
                if "stream" in self.path:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for i in range(4):
                        self.wfile.write(b"8\r\nevent %d\n\r\n" % i)
                        self.wfile.flush()
                        threading.Event().wait(0.1)
                    self.wfile.write(b"0\r\n\r\n")
                    return
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Lines:
    """A server of lines that speaks first, as mail does; it ends when it is told QUIT, and counts its clients."""

    def __init__(self, greets=True):
        self.clients = 0
        self.greets = greets
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            self.clients += 1
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        with client, client.makefile("rwb") as f:
            def say(text):
                f.write(text)
                f.flush()

            if self.greets:
                say(b"220 ready\r\n")
            for line in f:
                say(b"250 " + line)
                if line == b"QUIT\r\n":
                    break

    def close(self):
        self.socket.close()


class Mail(Lines):
    """As Lines, with STARTTLS."""

    def __init__(self, pair):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        super().__init__()

    def talk(self, client):
        client.sendall(b"220 ready\r\n")
        f = client.makefile("rb")
        while line := f.readline():
            word = line.split()[0].upper()
            client.sendall({b"EHLO": b"250-here\r\n250 STARTTLS\r\n", b"STARTTLS": b"220 go\r\n",
                            b"QUIT": b"221 bye\r\n"}.get(word, b"250 " + line))
            if word == b"STARTTLS":
                client = self.context.wrap_socket(client, server_side=True)
                f = client.makefile("rb")
            elif word == b"QUIT":
                break
        client.close()


def mock(tape, *options, **more):
    return Sidecar(*options, command=("mock", tape), **more).start()
