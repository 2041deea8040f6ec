"""A certificate authority of the tests, what it signs, and servers that show it."""
import os
import subprocess
import sys

from harness import folder, free_port, listening, need, run, spawn, until

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
HERE = "DNS:localhost,IP:127.0.0.1"


class Authority:
    """An authority with a database, so that it can revoke. Files are PEM: cert, and crl() on demand."""

    def __init__(self, name="the tests' authority"):
        need("openssl")
        self.dir = folder()
        self.cert, self.key = self._path("ca.crt"), self._path("ca.key")
        run("openssl", "req", "-x509", *EC, "-nodes", "-days", "3", "-subj", "/CN=" + name, "-keyout", self.key, "-out", self.cert,
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.config = self._path("ca.conf")
        for file, text in (("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "1000\n"), ("ca.conf", f"""
[ca]
default_ca = own
[own]
database = {self.dir}/index.txt
serial = {self.dir}/serial
crlnumber = {self.dir}/crlnumber
new_certs_dir = {self.dir}
certificate = {self.cert}
private_key = {self.key}
default_md = sha256
default_days = 2
default_crl_days = 2
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
""")):
            with open(self._path(file), "w", encoding="ascii") as f:
                f.write(text)
        self.count = 0

    def _path(self, name):
        return os.path.join(self.dir, name)

    def leaf(self, subject="localhost", names=HERE, key=EC, dates=(), usage="serverAuth"):
        """(certificate, key); dates: options of openssl ca, such as -startdate and -enddate."""
        self.count += 1
        cert, private, request, more = (self._path(f"{self.count}.{end}") for end in ("crt", "key", "csr", "ext"))
        run("openssl", "req", *key, "-nodes", "-subj", "/CN=" + subject, "-keyout", private, "-out", request)
        with open(more, "w", encoding="ascii") as f:
            f.write(f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage={usage}\n")
        run("openssl", "ca", "-batch", "-notext", "-config", self.config, "-in", request, "-out", cert, "-extfile", more, *dates)
        os.chmod(private, 0o600)
        return cert, private

    def issue(self, name, *more, **how):
        """leaf() for that name, 127.0.0.1 and more names."""
        return self.leaf(name, ",".join(["DNS:" + n for n in (name, *more)] + ["IP:127.0.0.1"]), **how)

    def crl(self, *revoked):
        """A fresh list of revoked certificates, those given among them."""
        for cert in revoked:
            run("openssl", "ca", "-config", self.config, "-revoke", cert)
        path = self._path("crl.pem")
        run("openssl", "ca", "-config", self.config, "-gencrl", "-out", path)
        return path


def self_signed(subject="localhost", names=HERE):
    """(certificate, key) that nobody has signed."""
    where = folder()
    cert, key = os.path.join(where, "own.crt"), os.path.join(where, "own.key")
    run("openssl", "req", "-x509", *EC, "-nodes", "-days", "2", "-subj", "/CN=" + subject, "-keyout", key, "-out", cert, "-addext",
        "subjectAltName=" + names)
    return cert, key


class Nginx:
    """nginx with these lines in its http block; it listens on ports when this returns."""

    def __init__(self, http, ports, connections=1024):
        need("nginx")
        where = folder()
        conf, self.log = os.path.join(where, "nginx.conf"), os.path.join(where, "error.log")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"""
daemon off; worker_processes 1; pid {where}/pid; error_log {self.log};
events {{ worker_connections {connections}; }}
http {{
  access_log off; client_body_temp_path {where}/b; proxy_temp_path {where}/p; fastcgi_temp_path {where}/f;
  uwsgi_temp_path {where}/u; scgi_temp_path {where}/s; client_max_body_size 0;
  {http}
}}
""")
        self.process = spawn("nginx", "-c", conf, "-p", where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("nginx", lambda: all(map(listening, ports)), 60)


class TlsNginx(Nginx):
    """One nginx, a port for each of sites: name → lines of its server block (certificates, versions)."""

    def __init__(self, root, sites):
        self.ports = {name: free_port() for name in sites}
        servers = "".join(f"""
  server {{
    listen 127.0.0.1:{self.ports[name]} ssl{" http2" if "http2" in name else ""}; root {root};
    {lines}
    location = /gzip {{ gzip on; gzip_min_length 1; gzip_types *; try_files /page.html =404; }}
    location = /moved {{ return 302 /page.html; }}
  }}""" for name, lines in sites.items())
        super().__init__(f"""
  types {{ text/html html; text/css css; text/javascript js; image/png png; application/json json; }}
  default_type application/octet-stream; absolute_redirect off;
  {servers}""", self.ports.values())

    def url(self, site, name="localhost"):
        return f"https://{name}:{self.ports[site]}"


SERVER = r"""
import socket, ssl, sys, threading
cert, key, least, most, clients, must = sys.argv[1:]
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.set_ciphers("DEFAULT:@SECLEVEL=0")
c.minimum_version, c.maximum_version = ssl.TLSVersion[least], ssl.TLSVersion[most]
c.load_cert_chain(cert, key)
if clients:
    c.load_verify_locations(clients)
    c.verify_mode = ssl.VerifyMode[must]
l = socket.create_server(("127.0.0.1", 0))
print(l.getsockname()[1], flush=True)
def serve(s):
    try:
        t = c.wrap_socket(s, server_side=True)
        got = b""
        while b"\r\n\r\n" not in got:
            more = t.recv(4096)
            if not more:
                return
            got += more
        body = b"hello you" if t.getpeercert() else b"hello"
        t.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        t.unwrap()
    except OSError:
        pass
    finally:
        s.close()
while True:
    threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
"""


class PythonTls:
    """Python's ssl at its weakest, with a certificate of which anything may be wrong; clients: the authority of clients."""

    def __init__(self, pair, least="TLSv1_2", most="TLSv1_3", clients="",
                 must="CERT_REQUIRED"):
        self.process = spawn(sys.executable, "-W", "ignore", "-c", SERVER, *pair, least, most, clients, must,
                             stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
