#!/usr/bin/env bash
# All lints, one after the other. usage: run.sh [BINDIR]
set -u
here=$(cd "$(dirname "$0")" && pwd)
bad=0
python3 "$here/arrows.py" || bad=1
python3 "$here/sizes.py" || bad=1
python3 "$here/words.py" || [ $? -eq 77 ] || bad=1 # 77: skipped
bash "$here/headers.sh" || bad=1
bash "$here/format.sh" || bad=1
bash "$here/options.sh" "${1:-build/bin}" || bad=1
exit $bad
