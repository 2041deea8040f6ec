#!/usr/bin/env bash
# Every header compiles alone, and its first line says what it is.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0
while read -r header; do
  head -1 "$header" | grep -qE '^// [a-z0-9_ -]+: ' || {
    echo "$header: the first line does not say what it is"
    bad=1
  }
  cc -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -fsyntax-only -x c - <<<"#include \"$header\"" || bad=1
done < <(find proto schema proxy recorder tools -name '*.h' | sort)
[ $bad = 1 ] || echo "headers: fine"
exit $bad
