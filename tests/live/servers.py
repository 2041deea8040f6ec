"""Real servers for the tests, each on a free loopback port with its data in a folder of its own."""
import glob
import os
import pwd
import shutil
import subprocess

from harness import folder, free_port, listening, need, run, spawn, until


def _as(user, where):
    """Options of Popen that run a server as an unprivileged user; its folder is given to it, for what is temporary, too."""
    env = {**os.environ, "TMPDIR": where}
    if os.geteuid() != 0:
        return {"env": env}
    entry = pwd.getpwnam(user)
    for root, folders, files in os.walk(where):
        for name in [root] + [os.path.join(root, n) for n in folders + files]:
            os.chown(name, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "env": env}


def _up(process, port, what):
    def look():
        assert process.poll() is None, f"{what} ended with {process.returncode}"
        return listening(port)

    until(what, look, 60)


class Nginx:
    def __init__(self, root):
        need("nginx")
        where, self.port = folder(), free_port()
        with open(os.path.join(where, "nginx.conf"), "w", encoding="ascii") as f:
            f.write(f"""
daemon off; worker_processes 1; pid {where}/pid; error_log {where}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {where}/b; proxy_temp_path {where}/p; fastcgi_temp_path {where}/f;
  uwsgi_temp_path {where}/u; scgi_temp_path {where}/s; client_max_body_size 0;
  types {{ text/html html; application/json json; }} default_type application/octet-stream;
  server {{
    listen 127.0.0.1:{self.port}; root {root};
    location = /gzip {{ gzip on; gzip_min_length 1; gzip_types *; try_files /page.html =404; }}
    location = /chunked {{ gzip on; gzip_min_length 1; gzip_types *; try_files /big.bin =404; }}
    location = /empty {{ return 204; }}
    location = /moved {{ return 302 /page.html; }}
  }}
}}
""")
        self.process = spawn("nginx", "-c", os.path.join(where, "nginx.conf"), "-p", where,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _up(self.process, self.port, "nginx")


class Redis:
    def __init__(self):
        need("redis-server", "redis-cli")
        self.port = free_port()
        self.process = spawn("redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", folder(),
                             stdout=subprocess.DEVNULL)
        _up(self.process, self.port, "redis")


def _own_pair(pair, where):
    """The pair in a folder that the server's user gets, as it wants it to be."""
    copies = [shutil.copy(f, os.path.join(where, name)) for f, name in zip(pair, ("server.crt", "server.key"))]
    os.chmod(copies[1], 0o600)
    return copies


class Postgres:
    """pair: certificate and key of its TLS."""

    def __init__(self, pair=None):
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        need("psql", *(["initdb"] if not programs else []))
        where, self.port = folder(), free_port()
        data, tls = os.path.join(where, "data"), []
        if pair:
            cert, key = _own_pair(pair, where)
            tls = ["-c", "ssl=on", "-c", f"ssl_cert_file={cert}", "-c", f"ssl_key_file={key}"]
        as_user = _as("postgres", where)
        run(os.path.join(programs[-1], "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", **as_user)
        self.process = spawn(os.path.join(programs[-1], "postgres"), "-D", data, "-p", self.port, "-h", "127.0.0.1", "-k", where,
                             "-F", *tls, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **as_user)
        _up(self.process, self.port, "postgres")
        # It listens before it has read its log, and turns clients away so long.
        until("postgres takes clients", lambda: run("psql", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-c", "",
                                                    check=False).returncode == 0)


class Mariadb:
    """pair: as Postgres."""

    def __init__(self, pair=None):
        need("mariadbd", "mariadb", "mariadb-install-db")
        where, self.port = folder(), free_port()
        data = os.path.join(where, "data")
        os.mkdir(data)
        tls = ["--ssl-cert={}", "--ssl-key={}"] if pair else []
        tls = [option.format(file) for option, file in zip(tls, _own_pair(pair, where) if pair else ())]
        as_user = _as("mysql", where)
        run("mariadb-install-db", "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal",
            "--skip-test-db", **as_user)
        self.process = spawn("mariadbd", "--no-defaults", "--datadir=" + data, f"--port={self.port}", "--bind-address=127.0.0.1",
                             f"--socket={where}/sock", f"--pid-file={where}/pid", *tls, stderr=subprocess.DEVNULL, **as_user)
        _up(self.process, self.port, "mariadb")


class Sshd:
    def __init__(self):
        need("sshd", "ssh", "ssh-keygen")
        self.where, self.port = folder(), free_port()
        os.chmod(self.where, 0o700)
        self.key = os.path.join(self.where, "key")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(self.where, "host"))
        config = os.path.join(self.where, "config")
        with open(config, "w", encoding="ascii") as f:
            f.write(f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.where}/host\nPidFile none\n"
                    f"AuthorizedKeysFile {self.key}.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n")
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self.process = spawn("/usr/sbin/sshd", "-D", "-e", "-f", config, stderr=subprocess.DEVNULL)
        _up(self.process, self.port, "sshd")


class TlsServer:
    """openssl s_server with a certificate of its own; answers status pages over HTTP."""

    def __init__(self):
        need("openssl")
        where, self.port = folder(), free_port()
        self.cert = os.path.join(where, "cert.pem")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            os.path.join(where, "key.pem"), "-out", self.cert, "-subj", "/CN=tls.test", "-days", "2", "-addext",
            "subjectAltName=DNS:tls.test,DNS:localhost,IP:127.0.0.1")
        self.process = spawn("openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{self.port}", "-cert", self.cert, "-key",
                             os.path.join(where, "key.pem"), "-WWW", "-alpn", "http/1.1", cwd=where,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(os.path.join(where, "page"), "w", encoding="ascii") as f:
            f.write("a page over tls\n")
        _up(self.process, self.port, "openssl s_server")
