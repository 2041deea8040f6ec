#!/usr/bin/env python3
"""Files of at most 600 lines, functions of at most 100, lines of at most 100 columns.
A file whose head has a line "// size: why" may be longer."""
import os
import re
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
FILE_MAX, FUNCTION_MAX, COLUMNS = 600, 100, 100


def sources():
    for room in ("proto", "schema", "proxy", "recorder", "tools", "tests"):
        for folder, _, files in sorted(os.walk(os.path.join(ROOT, room))):
            for name in sorted(files):
                if name.endswith((".c", ".h", ".def")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def main():
    wrong = []
    for path in sources():
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            lines = f.read().splitlines()
        excused = any(re.match(r"// size: \w", line) for line in lines[:40])
        if len(lines) > FILE_MAX and not excused:
            wrong.append(f"{path}: {len(lines)} lines ({FILE_MAX} allowed)")
        begun = None
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS:
                wrong.append(f"{path}:{number}: {len(line)} columns ({COLUMNS} allowed)")
            if line.startswith("{"):
                begun = number
            elif line.startswith("}") and begun is not None:
                if number - begun - 1 > FUNCTION_MAX:
                    wrong.append(f"{path}:{begun}: a function of {number - begun - 1} lines ({FUNCTION_MAX} allowed)")
                begun = None
    print("\n".join(wrong) if wrong else "sizes: fine")
    return 1 if wrong else 0


sys.exit(main())
