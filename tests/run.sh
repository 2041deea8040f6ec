#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Arguments go to ctest (for example -R unit/).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../deploy/setup.sh
. "$(dirname "$0")/../deploy/setup.sh"

# shellcheck disable=SC2086  # lists of words
need $build_packages $test_packages
build release
build test ${TAPEDECK_WERROR:+-DTAPEDECK_WERROR=$TAPEDECK_WERROR}
cd "$top/build-test"
exec ctest -j "${TAPEDECK_JOBS:-2}" --output-on-failure "$@"
