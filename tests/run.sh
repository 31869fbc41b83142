#!/usr/bin/env bash
# Set-up, configure, build, all tests; prints CTest's closing summary, after it a few lines on each test that failed,
# and exits as CTest does.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/run.sh [--debug] [--sanitize address|thread] [--filter REGEX] [--label LABEL] [--no-setup] [-j N]
  --debug            Debug instead of Release
  --sanitize KIND    with sanitizers: address (and undefined behaviour) or thread
  --filter REGEX     only the tests whose names match, as ctest -R
  --label LABEL      only unit, or only integration
  --no-setup         the packages are there: do not look
  -j N               parallel compilations and tests (default: compilations as many as cores, tests one more: they
                     wait for brokers much of the time)
The build goes to build/<type> below the repository; WARREN_BUILD_DIR names another folder.
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
type=Release
sanitize=""
jobs=$(nproc)
test_jobs=$((jobs + 1))
setup=yes
ctest_options=()

need_value() {
  if [[ $# -lt 2 ]]; then
    echo "tests/run.sh: $1 needs a value" >&2
    exit 64
  fi
}

while [[ $# -gt 0 ]]; do
  case "$1" in
    --debug) type=Debug ;;
    --sanitize) need_value "$@"; sanitize=$2; shift ;;
    --filter) need_value "$@"; ctest_options+=(-R "$2"); shift ;;
    --label) need_value "$@"; ctest_options+=(-L "$2"); shift ;;
    --no-setup) setup=no ;;
    -j) need_value "$@"; jobs=$2 test_jobs=$2; shift ;;
    -j*) jobs=${1#-j} test_jobs=${1#-j} ;;
    -h | --help) usage; exit 0 ;;
    *) echo "tests/run.sh: unknown argument $1" >&2; usage >&2; exit 64 ;;
  esac
  shift
done

if [[ ! $jobs =~ ^[1-9][0-9]*$ ]]; then
  echo "tests/run.sh: -j takes a number of at least 1, not '$jobs'" >&2
  exit 64
fi
case "$sanitize" in
  "") name=$type ;;
  address | thread) name=$type-$sanitize ;;
  *) echo "tests/run.sh: --sanitize takes address or thread, not '$sanitize'" >&2; exit 64 ;;
esac
build=${WARREN_BUILD_DIR:-$root/build/$name}

# The first complaints of each test that failed, from CTest's log: its closing summary has names alone.
complaints() {
  local log=$build/Testing/Temporary/LastTest.log
  [[ -r $log ]] || return 0
  awk '
    function tell() {
      if (name != "" && !passed && ++told <= 8) printf "%s:\n%s", name, (text == "" ? "  no complaint, maybe out of time\n" : text)
    }
    /^[0-9]+\/[0-9]+ Testing: / { tell(); name = $3; text = ""; lines = 0; passed = 0; next }
    /^Test Passed\.$/ { passed = 1 }
    /^(FAILED|ERROR) |: Failure$|Sanitizer: |^terminate called|^Segmentation fault/ || (/^E   / && ++lines <= 4) {
      text = text "  " substr($0, 1, 400) "\n"
    }
    END { tell() }' "$log"
}

step() { printf '== %s (%s)\n' "$1" "$(date +%H:%M:%S)"; }

if [[ $setup == yes ]]; then
  step "set-up"
  "$root/deploy/setup.sh"
fi
step "configure $build"
mkdir -p "$build"
if ! cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE="$type" -DWARREN_SANITIZE="$sanitize" \
    >"$build/configure.log" 2>&1; then
  cat "$build/configure.log" >&2
  exit 1
fi
step "build"
cmake --build "$build" -j "$jobs"
step "test"
# CTest starts from the build folder; it prints the failed tests and its summary last.
status=0
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$test_jobs" "${ctest_options[@]}" || status=$?
if [[ $status -ne 0 ]]; then
  complaints
fi
exit "$status"
