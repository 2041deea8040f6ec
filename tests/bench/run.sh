#!/usr/bin/env bash
# Measures us beside other proxies, on loopback, in one run; see run.py for the rows.
#   tests/bench/run.sh [ROW...]      all rows, or these; --list names them
#   tests/bench/run.sh --add ROW...  the same, and keeps the results of other rows
#   tests/bench/run.sh --publish     puts the table of the kept results into the README
#
# Environment: BENCH_DIR    the benchmark that starts the peers, which is no part of this repository;
#                           CONTRIBUTING.md says what it has to offer. It is copied, not written to
#              BENCH_OUT    where results.jsonl and results.md go (default: build-bench/)
#              BENCH_ROWS   sizes of a capture, for the row "rows" (default: 1000 1000000)
#              BENCH_RECORDS  sent in a sample of the recorder alone (default: 200000)
#              TAPEDECK_BIN programs other than those of the preset "release"; TAPEDECK_EXTRA options
#              REPS, SECS, WARM, MAX_FOREIGN  as the benchmark has them: rounds (5), seconds of a
#                           sample (3) and of warming up (1), per cent of a CPU that others may use
#                           (20). REPS=1 SECS=1 tells whether a row works
#              BENCH_PATH   where programs of peers are, if not in PATH
# What is not here is left out, and the table says so. Exit code 77: there is no benchmark.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../deploy/setup.sh
. "$(dirname "$0")/../../deploy/setup.sh"

bench=${BENCH_DIR-}
if [ -z "$bench" ] || [ ! -f "$bench/lib/bench.py" ]; then
  echo "skipped: BENCH_DIR has to name a benchmark that starts the peers, with lib/bench.py (see CONTRIBUTING.md)"
  exit 77
fi
case ${1-} in
  --list | --publish) ;; # nothing runs
  *)
    [ -n "${TAPEDECK_BIN-}" ] || build release
    {
      cd "$top"
      [ -f build-test/build.ninja ] || cmake --preset test
      cmake --build --preset test --target recorder_load
    } >/dev/null
    ;;
esac
export BENCH_DIR=$bench BENCH_OUT=${BENCH_OUT:-$top/build-bench} TAPEDECK_BIN=${TAPEDECK_BIN:-$top/build/bin}
export BENCH_LOAD=$top/build-test/bench/recorder_load
exec python3 "$top/tests/bench/run.py" "$@"
