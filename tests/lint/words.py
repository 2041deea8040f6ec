#!/usr/bin/env python3
"""Banned calls, left-overs, and paths of somebody's machine."""
import os
import re
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

CALLS = {
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "strcpy": "snprintf or memcpy", "strcat": "a struct buf",
    "strncpy": "snprintf", "strncat": "a struct buf", "gets": "getline", "strtok": "view_find",
    "alloca": "a bounded buffer", "atoi": "view_number", "atol": "view_number", "system": "fork and exec",
    "popen": "fork and exec", "gethostbyname": "the resolver", "localtime": "gmtime_r", "gmtime": "gmtime_r",
    "asctime": "clock_format", "rand": "digest_random", "tmpnam": "mkstemp", "mktemp": "mkstemp",
}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(CALLS) + r")\s*\(")
LEFT_OVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
MACHINE = re.compile(r"(?<![\w$}.])/(home|root|work)/\w")
TOPIC = re.compile(r'\blog_traces?\("([^"]*)"')
TOPICS = re.compile(r'"log-topics",[^{}]*?\.choices = "all\|([^"]*)"')
MINE = "tests/lint/words.py"


def main():
    wrong, topics = [], set()
    if not os.path.exists(os.path.join(ROOT, ".git")):
        print("words: skipped, this is no checkout")
        return 77
    # The checkout may be another user's, say in a container; git would not look at it.
    names = subprocess.run(["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-co", "--exclude-standard"],
                           stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")
    for path in filter(None, names):
        full = os.path.join(ROOT, path)
        if not os.path.isfile(full) or "/corpus/" in path or "/golden/" in path or path in ("LICENSE", MINE):
            continue
        try:
            with open(full, encoding="utf-8") as f:
                lines = f.read().split("\n")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            at = f"{path}:{number}"
            if path.endswith((".c", ".h")):
                if not path.startswith("tests/"):
                    topics.update(TOPIC.findall(line))
                for m in CALL.finditer(line.split("//")[0]):
                    wrong.append(f"{at}: {m.group(1)}() is banned: {CALLS[m.group(1)]}")
            if LEFT_OVER.search(line):
                wrong.append(f"{at}: a left-over: {line.strip()[:60]}")
            if MACHINE.search(line):
                wrong.append(f"{at}: a path of somebody's machine: {line.strip()[:60]}")
    with open(os.path.join(ROOT, "proto/settings.c"), encoding="utf-8") as f:
        offered = set(TOPICS.search(f.read()).group(1).split("|"))
    if topics != offered:
        wrong.append(f"proto/settings.c: log-topics offers {sorted(offered)}, the code has {sorted(topics)}")
    print("\n".join(wrong) if wrong else "words: fine")
    return 1 if wrong else 0


sys.exit(main())
