# Sourced by deploy/up.sh, tests/run.sh and .ci/run: installs missing Debian packages and builds a preset.
# Sets `top` to the checkout's root.
# shellcheck shell=bash disable=SC2034  # who sources it reads the lists

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What the programs are built with.
build_packages="gcc libc6-dev cmake ninja-build pkg-config protobuf-c-compiler libevent-dev libsqlite3-dev
  libprotobuf-c-dev libssl-dev libjansson-dev libyaml-dev libexpat1-dev libxxhash-dev zlib1g-dev libbrotli-dev
  libzstd-dev"

# What the tests drive: real clients and servers, and the tools that look at the result.
test_packages="ca-certificates git libcmocka-dev libhttp-parser-dev sqlite3 curl wget python3 python3-requests python3-aiohttp
  python3-httpx python3-socks testssl.sh nodejs openssl nginx-light redis-server netcat-openbsd postgresql mariadb-server
  mariadb-client openssh-server openssh-client socat iproute2 procps util-linux libxml2-utils"

# What the lints and the sanitizer builds need on top.
lint_packages="clang-format clang-tidy clang libclang-rt-14-dev valgrind"

installed() {
  dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

# Run as root with the packages as arguments. The policy keeps them from starting their servers, of
# which the tests start their own; it stays no longer than the installation, and one that is there rules.
# shellcheck disable=SC2016  # expanded by the shell that runs it
install_script='
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap "rm -f $policy" EXIT
  trap "exit 1" HUP INT TERM
  printf "#!/bin/sh\nexit 101\n" >"$policy" && chmod 755 "$policy" || exit 1
fi
apt-get update -qq &&
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"'

# need PACKAGE...: installs those that are missing, quietly; says what to do where it may not.
need() {
  local package missing=() sudo=()
  for package in "$@"; do
    installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]}; they are Debian 12 packages, and there is no apt-get here" >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    sudo=(sudo)
    command -v sudo >/dev/null || {
      echo "missing: ${missing[*]}; as root: apt-get install ${missing[*]}" >&2
      return 1
    }
  fi
  echo "installing ${missing[*]}" >&2
  local log
  log=$(mktemp)
  if "${sudo[@]}" sh -c "$install_script" sh "${missing[@]}" >"$log" 2>&1 </dev/null; then
    rm -f "$log"
  else
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
}

# build PRESET [CMAKE-ARGUMENT...]: configures and builds; prints the log only when it fails.
build() {
  local preset=$1 log
  shift
  log=$(mktemp)
  if (cd "$top" && cmake --preset "$preset" "$@" && cmake --build --preset "$preset") >"$log" 2>&1; then
    rm -f "$log"
  else
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
}
