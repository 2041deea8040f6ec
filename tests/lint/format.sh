#!/usr/bin/env bash
# .clang-format decides.
set -u
cd "$(dirname "$0")/../.." || exit 1
find proto schema proxy recorder tools tests -name '*.[ch]' -print0 |
  xargs -0 clang-format --dry-run -Werror 2>&1 | grep -E 'error|warning' | cut -d: -f1 | sort | uniq -c |
  awk '{ print $2 ": not as .clang-format has it"; bad = 1 } END { if (!bad) print "format: fine"; exit bad }'
