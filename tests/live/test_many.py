"""10,000 idle connections held by one proxy within its memory; 1,000 clients that trickle do not disturb the others."""
import os
import resource
import socket
import time

from harness import Origin, Sidecar, equal, folder, load, rss_kib, skip, until

IDLE = int(os.environ.get("IDLE", "10000"))
SLOW = 1000
LIMIT_KIB = 64 << 10
RING_KIB = 4 << 10


def descriptors():
    """Raises this process's limit and returns how many connections with an upstream the proxy can hold: two descriptors each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + 2048:
        skip(f"only {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    return min(IDLE, (hard - 1024) // 2)


def dial(port, source):
    s = socket.socket()
    s.bind((source, 0))
    s.connect(("127.0.0.1", port))
    return s


def main():
    with_upstream = descriptors()
    origin = Origin()
    where = folder()
    s = Sidecar("--proxy-type", "reverse", "--proxy-protocol", "http", "--proxy-host", "127.0.0.1", "--proxy-port",
                origin.port, "--in-bind", "127.0.0.1", "--spool-size", "64MiB", "--head-timeout", "5s",
                "--log-level", "warn", where=where).start()
    before = rss_kib(s.ready["proxy"])["VmRSS"]
    held = []
    for i in range(IDLE):
        c = dial(s.inbound, f"127.0.0.{2 + i % 8}")
        if i < with_upstream:
            c.sendall(b"GET /idle HTTP/1.1\r\nHost: many\r\n\r\n")
        held.append(c)
    for c in held[:with_upstream]:
        assert c.recv(4096).startswith(b"HTTP/1.1 200"), "an idle connection's one request failed"
    until("all connections open", lambda: s.metric("tapedeck_flows_open") >= IDLE)
    time.sleep(1)
    memory = rss_kib(s.ready["proxy"])["VmRSS"]
    print(f"{IDLE} idle connections, {with_upstream} of them with an upstream: {memory} KiB in all, {(memory - before) / IDLE:.2f} KiB each")
    assert memory <= LIMIT_KIB + RING_KIB, f"{memory} KiB"
    calm = load(s.inbound, 500, 3, 16, 2)
    for c in held:
        c.close()
    until("connections gone", lambda: s.metric("tapedeck_flows_open") < 100)

    slow = [dial(s.inbound, "127.0.0.9") for _ in range(SLOW)]
    begun = time.monotonic()
    for c in slow:
        c.sendall(b"GET / HTTP/1.1\r\nHost: slow\r\nX-")
    busy = load(s.inbound, 500, 3, 16, 200002)
    for c in slow[:50]:
        c.sendall(b"a")
    print(f"p99 {calm['p99_us']} us with {IDLE} idle, {busy['p99_us']} us with {SLOW} trickling")
    ended = 0
    for c in slow:
        c.settimeout(20)
        try:
            while c.recv(4096):
                pass
            ended += 1
        except ConnectionResetError:
            ended += 1
    equal(ended, SLOW, "trickling clients ended at their deadline")
    assert time.monotonic() - begun < 20, "later than their deadline"
    s.stop()
    s.verify()


main()
