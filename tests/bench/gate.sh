#!/usr/bin/env bash
# Counts the instructions that a transaction costs, and fails when they grew.
#   tests/bench/gate.sh             compares with tests/bench/instructions.txt
#   tests/bench/gate.sh --accept    the present numbers are right: keeps them there
#   tests/bench/gate.sh --profile   prints the functions that cost the most, too
#
# gate_proxy and gate_recorder run under callgrind with 1,000 transactions and with none, which is
# taken off: so start-up does not count. They are those of the preset "test": optimised as a release
# but with assertions, and built for the tests anyway; what counts is the change. Kernel, time,
# network and disk have no part in it. The CPU has none either, as callgrind shows the same one
# everywhere, if the real one has AVX2; it never shows SHA instructions, so digests weigh more here.
# Exit code 77: what it needs is not here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../deploy/setup.sh
. "$(dirname "$0")/../../deploy/setup.sh"

count=1000 allowed=3 # transactions; per cent
kept="$top/tests/bench/instructions.txt"
# What the numbers depend on besides our own code.
packages="libc6 libprotobuf-c1 libsqlite3-0 libssl3 libxxhash0 libjansson4 valgrind"

mode=${1-}
case $mode in
  '' | --accept | --profile) ;;
  *)
    echo "usage: gate.sh [--accept | --profile]" >&2
    exit 2
    ;;
esac
if ! command -v valgrind >/dev/null || ! grep -q avx2 /proc/cpuinfo; then
  echo skipped
  exit 77
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
{
  cd "$top"
  [ -f build-test/build.ninja ] || cmake --preset test
  cmake --build --preset test --target gate_proxy gate_recorder
} >"$tmp/log" 2>&1 || {
  cat "$tmp/log" >&2
  exit 1
}
cd "$tmp"
ln -s "$top/build-test/bench/gate_proxy" "$top/build-test/bench/gate_recorder" .

# counted OUT PROGRAM ARGUMENT...: the instructions of a run go to OUT and OUT.sum. Symbols are
# bound at the start, and the environment is empty, so that neither moves the count.
counted() {
  local out=$1
  shift
  if ! env -i PATH="$PATH" LD_BIND_NOW=1 valgrind --tool=callgrind --callgrind-out-file="$out" "$@" \
    >log 2>&1; then
    cat log >&2
    exit 1
  fi
  sed -n 's/^\(summary\|totals\): //p' "$out" | head -1 >"$out.sum"
}
for n in 0 $count; do
  counted "proxy.$n" ./gate_proxy "$n" "frames.$n"
  counted "recorder.$n" ./gate_recorder "frames.$n" "$n.db"
done

# of NAME: its instructions a transaction.
of() {
  echo $((($(cat "$1.$count.sum") - $(cat "$1.0.sum")) / count))
}

tools() {
  echo "# $(cc --version | head -1)"
  # shellcheck disable=SC2086  # a list of words
  dpkg-query -W -f '# ${Package} ${Version}\n' $packages 2>/dev/null || true
}

# shellcheck disable=SC2016  # python's, not the shell's
profile='
import re, subprocess, sys
name, count = sys.argv[1], int(sys.argv[2])
def costs(n):
    text = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", f"{name}.{n}"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    out = {}
    for line in text.split("\n"):
        m = re.match(r" *([\d,]+) \( *[\d.]+%\) +(\S+:\S+)(?: \[(.*)\])?", line)
        if m:
            where = re.sub(r"\x27\d+$", "", m.group(2).split("/")[-1])
            if where.startswith("???:"):
                where = where[4:] + " in " + (m.group(3) or "?").split("/")[-1]
            out[where] = out.get(where, 0) + int(m.group(1).replace(",", ""))
    return out
none, all_ = costs(0), costs(count)
each = {k: (v - none.get(k, 0)) / count for k, v in all_.items()}
whole = sum(each.values())
print(f"\n{name}: instructions a transaction, each function by itself")
for k, v in sorted(each.items(), key=lambda p: -p[1])[:50]:
    print(f"{v:10,.0f} {100 * v / whole:5.1f} %  {k}")
'

if [ "$mode" = --accept ]; then
  {
    echo "# Instructions a transaction: what gate.sh compares with, and --accept writes."
    echo "proxy $(of proxy)"
    echo "recorder $(of recorder)"
    echo "# Counted with"
    tools
  } >"$kept"
fi
bad=0
for name in proxy recorder; do
  new=$(of $name)
  old=$(sed -n "s/^$name //p" "$kept" 2>/dev/null || true)
  awk -v name=$name -v new="$new" -v old="${old:-0}" -v allowed=$allowed 'BEGIN {
    if (old == 0) { printf "%s: %d instructions a transaction; none are kept\n", name, new; exit 1 }
    change = 100 * (new - old) / old
    printf "%s: %d instructions a transaction, %+.2f %% against %d", name, new, change, old
    if (change > allowed) { printf ": more than %d %%\n", allowed; exit 1 }
    print change < -allowed ? ": keep it, lest it grow back" : ""
  }' || bad=1
done
if [ $bad = 1 ]; then
  echo "What costs so much: tests/bench/gate.sh --profile. If it is meant: tests/bench/gate.sh --accept"
  tools >versions
  sed -n '/^# Counted with/,$p' "$kept" | tail -n +2 | diff versions - >differ ||
    echo "Other versions than those kept (<: now): $(grep '^[<>]' differ | tr '\n' ' ')"
fi
if [ "$mode" = --profile ]; then
  for name in proxy recorder; do
    python3 -c "$profile" $name $count
  done
fi
exit $bad
