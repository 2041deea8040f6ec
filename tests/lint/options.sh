#!/usr/bin/env bash
# Every --option that the documents name exists in some program's --help. Lines that call other people's programs are
# passed over.
# usage: options.sh BINDIR
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=${1:-build/bin}
known=$(
  {
    "$bin/tapedeck-proxy" --help
    "$bin/tapedeck-recorder" --help
    "$bin/tapedeck-mock" --help
    for command in $("$bin/tapedeck" help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'); do
      "$bin/tapedeck" "$command" --help
    done
    for command in export ca; do
      for word in $("$bin/tapedeck" "$command" --help | sed -n "s/^  $command \\([a-z-]*\\) .*/\\1/p"); do
        "$bin/tapedeck" "$command" "$word" --help
      done
    done
    cat deploy/up.sh tests/bench/gate.sh tests/bench/run.sh # their heads are their help
  } 2>/dev/null | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u
)
[ -n "$known" ] || { echo "no program in $bin answers --help"; exit 1; }
bad=0
while read -r option; do
  grep -qxF -- "$option" <<<"$known" && continue
  echo "the documents name $option, which no program has"
  bad=1
done < <(grep -hvE '^ *(\$ |\| )?(curl|python3|Chromium) ' README.md CONTRIBUTING.md |
  grep -oE -- '(^|[ `(])--[a-z][a-z0-9-]+' | tr -d ' `(' | sort -u)
[ $bad = 1 ] || echo "options: fine"
exit $bad
