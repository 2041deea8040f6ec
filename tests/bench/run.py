#!/usr/bin/env python3
"""Runs rows of the benchmark with our subjects beside their peers, and rows of our own; says which bars hold.

A row is one or more runs, each of which takes its subjects in turn (A B C, C B A, ...) and gives medians. A bar is a figure
of ours, or its ratio to a peer's of the same run. Started by run.sh, which says what the environment may hold.

  rows.py    rows, their bars, the tables
  peers.py   runs of the benchmark that starts the peers, and what is added to its copy
  alone.py   runs that need no peer
  subjects/  ours, as the benchmark wants them
"""
import json
import os
import signal
import subprocess
import sys
import time

from alone import ALONE
from peers import OUT, prepare, run_peers, say
from rows import ROWS, Missing, commit, publish, tables

KEPT = os.path.join(OUT, "results.jsonl")


def kept():
    try:
        with open(KEPT, encoding="utf-8") as f:
            return [json.loads(line) for line in f]
    except OSError:
        return []


def keep(lines):
    with open(KEPT, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(d) + "\n" for d in lines)


def measure(names, lines):
    """Runs what the rows need; lines, with the new ones in place of the old ones of the same runs."""
    without, now = prepare(), commit()
    for run in dict.fromkeys(run for name in names for run in ROWS[name][0]):
        say(f"{time.strftime('%T')} {run}")
        new = []
        try:
            if run in ALONE:
                ALONE[run](new)
            else:
                run_peers(run, without, new)
        except (Missing, OSError, subprocess.SubprocessError) as e:
            say(f"{run}: {e}")
        again = {d["row"] for d in new}
        lines = [d for d in lines if d["row"] not in again] + [dict(d, commit=now) for d in new]
        keep(lines)
    return lines


def show(names, lines):
    """Prints the tables of these rows, and of all that there are lines of."""
    had = {d["row"].split("-")[0] if d["row"].startswith("rows-") else d["row"] for d in lines}
    bars, samples = tables([n for n in ROWS if n in names or had & set(ROWS[n][0])], lines)
    with open(os.path.join(OUT, "results.md"), "w", encoding="utf-8") as f:
        f.write(bars + "\n" + samples)
    print(bars + "\n" + samples, end="")
    return bars


def main():
    words = sys.argv[1:]
    option = words.pop(0) if words and words[0].startswith("--") else ""
    if option not in ("", "--add", "--list", "--publish"):
        print(f"no option {option}; there are: --add --list --publish", file=sys.stderr)
        return 2
    wrong = [name for name in words if name not in ROWS]
    if wrong:
        print(f"no row {wrong[0]}; there are: {' '.join(ROWS)}", file=sys.stderr)
        return 2
    if option == "--list":
        for name, (runs, bars) in ROWS.items():
            print(f"{name:17} {'; '.join(b[0] for b in bars)}  [{' '.join(runs)}]")
    elif option == "--publish":
        publish(show([], kept()))
    else:
        names = words or list(ROWS)
        show(names, measure(names, kept() if option else []))
    return 0


def ended(number, _):
    for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(n, signal.SIG_IGN)  # one is enough
    sys.exit(128 + number)


if __name__ == "__main__":
    for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(n, ended)
    sys.exit(main())
