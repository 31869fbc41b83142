#!/usr/bin/env bash
# Builds the fuzzers and runs each for a while, two at a time: tests/fuzz/run.sh [SECONDS [FUZZER...]]
# What libFuzzer finds goes to findings/ in the build folder; its reports and the grown corpora as well.
# Exits 1 when there is a finding. WARREN_FUZZ_DIR names another build folder, WARREN_FUZZ_JOBS another number at a time.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${WARREN_FUZZ_DIR:-$root/build/fuzz}
at_a_time=${WARREN_FUZZ_JOBS:-2}
seconds=${1:-60}
if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: tests/fuzz/run.sh [SECONDS [FUZZER...]]   (SECONDS for each, by default 60)" >&2
  exit 64
fi
shift || true
fuzzers=("$@")
[[ ${#fuzzers[@]} -gt 0 ]] || fuzzers=(http_edge session wire_decode upstream_response amqp_client dispatcher control_messages gateway)

for tool in clang++-14 cmake ninja; do
  if ! command -v "$tool" >/dev/null; then
    echo "tests/fuzz/run.sh: $tool is missing; deploy/setup.sh --fuzz installs it" >&2
    exit 69
  fi
done
mkdir -p "$build/findings"
if [[ ! -e $build/build.ninja ]]; then
  CC=clang-14 CXX=clang++-14 cmake -S "$root" -B "$build" -G Ninja -DWARREN_FUZZ=ON >"$build/configure.log"
fi
cmake --build "$build" --target "${fuzzers[@]/#/fuzz_}"

# One fuzzer: a copy of its kept inputs grows; at the end its report says what it covered.
run_one() {
  local name=$1 dictionary=()
  case $name in
    http_edge | session | upstream_response) dictionary=("-dict=$root/tests/fuzz/http.dict") ;;
    wire_decode | amqp_client | gateway) dictionary=("-dict=$root/tests/fuzz/amqp.dict") ;;
  esac
  mkdir -p "$build/corpus/$name"
  nice "$build/fuzz/fuzz_$name" "$build/corpus/$name" "$root/tests/fuzz/corpus/$name" "${dictionary[@]}" \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 -print_final_stats=1 \
    -artifact_prefix="$build/findings/$name-" >"$build/$name.log" 2>&1
}

failed=0
running=()
names=()
wait_for_first() {
  if ! wait "${running[0]}"; then
    echo "FOUND ${names[0]}: see $build/${names[0]}.log and $build/findings"
    failed=1
  else
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/${names[0]}.log")
    covered=$(grep -oE 'cov: [0-9]+ ft: [0-9]+' "$build/${names[0]}.log" | tail -1)
    echo "clean ${names[0]}: $runs executions in $seconds s, $covered"
  fi
  running=("${running[@]:1}")
  names=("${names[@]:1}")
}
for name in "${fuzzers[@]}"; do
  if [[ ${#running[@]} -ge $at_a_time ]]; then wait_for_first; fi
  run_one "$name" &
  running+=($!)
  names+=("$name")
done
while [[ ${#running[@]} -gt 0 ]]; do wait_for_first; done
exit "$failed"
