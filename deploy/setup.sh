#!/usr/bin/env bash
# Installs every Debian package that building, running and testing Warren need.
# Idempotent, and quiet when nothing is missing. Run as root on Debian 12.
# With --fuzz also those that only the fuzzers need (tests/fuzz/run.sh), with --bench those of tests/bench/data_plane.py;
# with --list it only prints the packages.
# docs/dependencies.md says why each is here.
set -euo pipefail

build=(
  g++ cmake ninja-build ccache pkg-config git ca-certificates
  libboost-dev libboost-program-options-dev libboost-system-dev libssl-dev
  librabbitmq-dev libcpprest-dev prometheus-cpp-dev zlib1g-dev libcurl4-openssl-dev
  nlohmann-json3-dev libvalijson-dev libexpected-dev libspdlog-dev libfmt-dev
  libsystemd-dev libpcre2-dev
)
run=(rabbitmq-server python3 procps)
test=(
  libgtest-dev libgmock-dev libbenchmark-dev librapidcheck-dev
  prometheus python3-pytest python3-pika python3-requests python3-yaml python3-jsonschema curl jq man-db shellcheck
  puma nodejs gunicorn
  gcc ruby-bunny golang-go golang-github-rabbitmq-amqp091-go-dev
)
fuzz=(clang-14 libclang-rt-14-dev)
bench=(nginx-light haproxy mongrel2-core libzmq3-dev linux-perf)
packages=("${build[@]}" "${run[@]}" "${test[@]}")

while [[ "${1:-}" == "--fuzz" || "${1:-}" == "--bench" ]]; do
  [[ $1 == "--fuzz" ]] && packages+=("${fuzz[@]}")
  [[ $1 == "--bench" ]] && packages+=("${bench[@]}")
  shift
done
if [[ "${1:-}" == "--list" ]]; then
  printf '%s\n' "${packages[@]}"
  exit 0
elif [[ $# -gt 0 ]]; then
  echo "usage: $0 [--fuzz] [--bench] [--list]" >&2
  exit 64
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [[ "$status" == "install ok installed" ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

if [[ $EUID -ne 0 ]]; then
  echo "setup.sh: these packages are missing and only root can install them: ${missing[*]}" >&2
  exit 77
fi

echo "setup.sh: installing ${missing[*]}"
# Installing must not start a broker or a Prometheus on the default ports: a policy-rc.d of 101
# says so, and one that was there before is put back.
policy=/usr/sbin/policy-rc.d
saved=""
if [[ -e $policy ]]; then
  saved=$(mktemp)
  cp -p "$policy" "$saved"
fi
restore_policy() {
  if [[ -n $saved ]]; then
    cp -p "$saved" "$policy"
    rm -f "$saved"
  else
    rm -f "$policy"
  fi
}
trap restore_policy EXIT
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "setup.sh: done"
