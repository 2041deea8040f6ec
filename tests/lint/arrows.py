#!/usr/bin/env python3
"""Who may include whom. Reads the #include lines of the sources; says each arrow that runs the wrong way."""
import os
import re
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
ROOMS = ["proto/base", "proto", "schema", "proxy", "recorder", "tools"]

# A room may include itself and these.
ARROWS = {
    "proto/base": set(),
    "proto": {"proto/base"},
    "schema": {"proto/base", "proto"},
    "proxy": {"proto/base", "proto"},
    "recorder": {"proto/base", "proto", "schema"},
    "tools": {"proto/base", "proto", "schema"},
}

# Beyond the arrows: single headers that single places may see.
DOORS = {
    "proxy/tls/ca.h": ["tools/ca/"],
    "proxy/tls/trust.h": ["tools/ca/roots"],
    "proxy/http/body.h": ["tools/speak/http1"],
    "proxy/decode/http1_doubt.h": ["tools/speak/http1"],
}

# Whole rooms that single places may see: replay is a client, and mock a proxy's world, with the proxy's own parts.
HALLS = {
    "proxy": ["tools/mock/", "tools/replay/"],
}

# Foreign headers by the places that may see them; a header that is not listed must be the C library's.
FENCES = {
    r"proto/record\.pb-c\.h": ["proxy/emit/pack", "proxy/emit/link", "recorder/unpack", "recorder/session"],
    r"protobuf-c/.*": ["recorder/unpack"],
    r"sqlite3(ext)?\.h": ["schema/"],
    r"xxhash\.h": ["schema/", "proxy/emit/twin"],
    r"openssl/.*": ["proxy/tls/", "proto/digest", "proto/sign"],
    r"yaml\.h": ["proto/config", "tools/compare/rules", "tools/yamlr"],
    r"expat\.h": ["tools/compare/xml"],
    r"event2/.*": ["proxy/", "recorder/", "tools/mock/", "tools/replay/"],
    r"jansson\.h": ["tools/", "proxy/admin", "proxy/emit/redact", "proxy/world", "recorder/"],
    r"(zstd|zstd_errors)\.h": ["schema/pack", "tools/"],
    r"zdict\.h": ["schema/pack"],
    r"zlib\.h|brotli/.*": ["tools/"],
}
LIBC = re.compile(
    r"(arpa|net|netinet|sys|linux)/\w+\.h|(assert|ctype|dirent|errno|fcntl|float|fnmatch|getopt|glob|grp|"
    r"immintrin|emmintrin|inttypes|ifaddrs|langinfo|libgen|limits|locale|malloc|math|netdb|poll|pthread|pwd|"
    r"regex|sched|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|"
    r"string|strings|syslog|termios|time|unistd|wchar)\.h")


def room_of(path):
    return next((r for r in ROOMS if path.startswith(r + "/")), None)


def check(path, wrong):
    mine = room_of(path)
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not m:
                continue
            name, at = m.group(2), f"{path}:{number}"
            fence = next((places for pattern, places in FENCES.items() if re.fullmatch(pattern, name)), None)
            if fence is not None:
                if not any(path.startswith(p) for p in fence):
                    wrong.append(f"{at}: {name} belongs behind its fence: {', '.join(fence)}")
                continue
            if m.group(1) == "<":
                if not LIBC.fullmatch(name):
                    wrong.append(f"{at}: <{name}> is no header of the C library and has no fence")
                continue
            other = room_of(name)
            if other is None:
                wrong.append(f"{at}: \"{name}\" is not written from the root")
            elif other != mine and other not in ARROWS[mine] and \
                    not any(path.startswith(p) for p in DOORS.get(name, []) + HALLS.get(other, [])):
                wrong.append(f"{at}: {mine} may not see {other} ({name})")


def main():
    wrong = []
    for room in ("proto", "schema", "proxy", "recorder", "tools"):
        for folder, _, files in sorted(os.walk(os.path.join(ROOT, room))):
            for name in sorted(files):
                if name.endswith((".c", ".h")):
                    check(os.path.relpath(os.path.join(folder, name), ROOT), wrong)
    print("\n".join(wrong) if wrong else "arrows: fine")
    return 1 if wrong else 0


sys.exit(main())
