#!/usr/bin/env bash
# Installs what is missing, builds the release programs into build/bin, and runs the sidecar.
#   deploy/up.sh               a dual sidecar (tcp in, http out) before localhost:8080
#   deploy/up.sh --build-only  only builds
#   deploy/up.sh ARGS...       runs build/bin/tapedeck ARGS...
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
. "$(dirname "$0")/setup.sh"

# shellcheck disable=SC2086  # a list of words
need $build_packages
build release

[ "${1-}" != --build-only ] || exit 0
if [ $# -gt 0 ]; then
  exec "$top/build/bin/tapedeck" "$@"
fi
cat <<TXT
The sidecar records into ./capture.db. Try, from another terminal:
  curl http://localhost:4143/                  inbound: the service on localhost:8080, recorded
  curl -x http://localhost:4140 http://HOST/   outbound: any host, recorded
  build/bin/tapedeck ls                        what was recorded; also: show, tail, stats, verify
Ctrl-C ends it.
TXT
exec "$top/build/bin/tapedeck" run --proxy-type dual --proxy-protocol tcp:http \
  --proxy-host localhost --proxy-port 8080
