#!/usr/bin/env bash
# From nothing to HTTP through a three-node cluster: installs, builds, starts a local RabbitMQ cluster,
# shards an exchange, and puts three HTTP back ends behind it, each with a worker on its own node. Beside these a gateway,
# through which a second stream looks like one queue to AMQP clients.
# Stays up until Ctrl-C and leaves nothing behind. With --check it verifies each claim instead.
set -uo pipefail

usage() {
  cat <<'TEXT'
usage: deploy/quickstart.sh [--check] [--bin DIR]
  --check    verify each claim, one line per claim, stop everything, exit 0 or 1
  --bin DIR  use the programs in DIR; without it they are built in build/Release (or WARREN_BUILD_DIR)
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${WARREN_BUILD_DIR:-$root/build/Release}
bin=""
check=no
while [[ $# -gt 0 ]]; do
  case "$1" in
    --check) check=yes ;;
    --bin)
      if [[ $# -lt 2 || ! -d $2 ]]; then
        echo "quickstart.sh: --bin needs a folder" >&2
        exit 64
      fi
      bin=$(cd "$2" && pwd)
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    *) echo "quickstart.sh: unknown argument $1" >&2; usage >&2; exit 64 ;;
  esac
  shift
done

# The programs refuse WARREN_ variables they do not know, and these would aim them elsewhere.
while read -r variable; do unset "$variable"; done < <(compgen -v WARREN_)
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY

work=$(mktemp -d --suffix=-warren-quickstart)
cluster() { "$root/deploy/cluster/cluster" --dir "$work/cluster" "$@"; }
declare -A pids=() commands=()
restarts_left=20
failed=0
stopped=no

# --- Output ------------------------------------------------------------------------------------------

# step TEXT COMMAND…: one line; on a terminal it shows that something is going on. Output is shown on failure.
step() {
  local text=$1 started=$SECONDS
  shift
  if [[ -t 1 ]]; then printf '   %s …' "$text"; fi
  if "$@" >"$work/step.log" 2>&1; then
    if [[ -t 1 ]]; then printf '\r\033[K'; fi
    printf ' * %s (%d s)\n' "$text" $((SECONDS - started))
  else
    if [[ -t 1 ]]; then printf '\n'; fi
    printf 'quickstart.sh: failed: %s\n' "$text" >&2
    tail -n 40 "$work/step.log" >&2
    exit 1
  fi
}

# claim TEXT COMMAND…: ok or FAIL, for --check.
claim() {
  local text=$1
  shift
  local output
  if output=$("$@" 2>&1); then
    printf 'ok    %s\n' "$text"
  else
    printf 'FAIL  %s\n%s\n' "$text" "$(tail -n 12 <<<"$output" | sed 's/^/        /')"
    failed=1
  fi
}

# --- Start and stop ----------------------------------------------------------------------------------

# launch NAME COMMAND…: in the background, log in $work/NAME.log; it ends when this script does, however that ends.
launch() {
  local name=$1
  shift
  commands[$name]=$(printf '%q ' "$@")
  setpriv --pdeathsig KILL "$@" >>"$work/$name.log" 2>&1 </dev/null &
  pids[$name]=$!
  disown  # No message of the shell when one is killed on purpose.
}

stop_all() {
  if [[ $stopped == yes ]]; then return; fi
  stopped=yes
  trap '' INT TERM HUP
  local pid
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null; done
  for _ in $(seq 100); do
    if ! any_alive; then break; fi
    sleep 0.1
  done
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null; done
  wait 2>/dev/null
  if [[ -e $work/cluster/cluster.json ]]; then cluster stop; fi
  rm -rf "$work"
}

any_alive() {
  local pid
  for pid in "${pids[@]}"; do
    if kill -0 "$pid" 2>/dev/null; then return 0; fi
  done
  return 1
}

trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# port WANTED: that port, or a free one where it is taken; never the same twice.
given=" "
port() {
  chosen=$(/usr/bin/python3 -B - "$root" "$1" "$given" <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1] + "/deploy/cluster")
from local_cluster import ports
wanted, given = int(sys.argv[2]), {int(port) for port in sys.argv[3].split()}
print(wanted if wanted not in given and ports.is_free(wanted) else ports.free_port(given))
PYTHON
  ) || exit 1
  given+="$chosen "
}

# within SECONDS COMMAND…: until it succeeds; says what the last attempt said.
within() {
  local end=$((SECONDS + $1)) output
  shift
  until output=$("$@" 2>&1); do
    if ((SECONDS >= end)); then
      printf 'not in time: %s\n%s\n' "$*" "$output"
      return 1
    fi
    sleep 0.3
  done
}

get() { curl -fsS --max-time 40 "$@"; }
api() { get -u guest:guest "$management_1/api/$1"; }

build_programs() {
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release || return 1
  cmake --build "$build" --target warren-coordinator warrenctl warren-proxy warren-worker warren-gateway || return 1
}

start_cluster() { cluster start --nodes 3 --with-parent $$; }

define_stream() {
  "$bin/warrenctl" "${management[@]}" set_parameter stream-definition my_stream "$definition" || return 1
  "$bin/warrenctl" "${management[@]}" set_policy my_stream "^shard\." '{"stream-definition": "my_stream"}'
}

# declare_exchange NAME
declare_exchange() {
  get -u guest:guest -X PUT -H 'Content-Type: application/json' -d '{"type": "x-consistent-hash", "durable": true}' \
    "$management_1/api/exchanges/%2F/$1"
}

launch_worker() {
  launch "worker-$1" "$bin/warren-worker" --stream shard.web --upstream "http://127.0.0.1:${backend_ports[$1]}" \
    --node "${amqp_nodes[$1]}" "${management[@]}" --metrics-listen "127.0.0.1:${worker_ports[$1]}"
}

# ready_or_dead NAME PORT
ready_or_dead() { get "http://127.0.0.1:$2/readyz" || ! kill -0 "${pids[$1]}"; }

wait_ready() {
  if ! within 40 ready_or_dead "$@" || ! kill -0 "${pids[$1]}"; then
    tail -n 20 "$work/$1.log"
    return 1
  fi
}

served() { get -o /dev/null "$url/"; }

# --- Facts, for --check ------------------------------------------------------------------------------

three_nodes_run() { api nodes | jq -e 'length == 3 and all(.running)'; }

six_shards() {
  api queues/%2F | jq -e '
    [.[] | select(.name | startswith("stream: shard.web - ")) | {name, node}]
    | length == 6 and all(.[]; .name | test("^stream: shard[.]web - rabbit[123]@localhost - [01]$"))
      and all(.[]; .name == "stream: shard.web - \(.node) - 0" or .name == "stream: shard.web - \(.node) - 1")'
}

bound_once_with_weight_one() {
  api exchanges/%2F/shard.web/bindings/source |
    jq -e '[.[] | select(.destination | startswith("stream: "))]
           | length == 6 and (map(.destination) | unique | length) == 6 and all(.routing_key == "1")'
}

# serving COUNT: node, shard, worker and back end of so many requests, one line each; fails unless all are 200.
serving() {
  local number
  for number in $(seq "$1"); do
    get -D - -o /dev/null "$url/$number" | tr -d '\r' | awk '
      { at = index($0, ": "); field[tolower(substr($0, 1, at - 1))] = substr($0, at + 2) }
      END { if (!field["x-backend"]) exit 1
            printf "%s\t%s\t%s\t%s\n", field["warren-node"], field["warren-shard"], field["warren-worker"],
                   field["x-backend"] }' || return 1
  done
}

distinct() { cut -f"$2" "$1" | sort -u | grep -c .; }

spread_over_everything() {
  serving 120 >"$work/served" || return 1
  echo "nodes $(distinct "$work/served" 1), shards $(distinct "$work/served" 2), back ends $(distinct "$work/served" 4)"
  [[ $(distinct "$work/served" 1) -eq 3 && $(distinct "$work/served" 2) -eq 6 && $(distinct "$work/served" 4) -eq 3 ]]
}

each_worker_serves_its_own_node() {
  serving 40 >"$work/own" || return 1
  awk -F'\t' 'index($2, "- " $1 " -") == 0 { print "of another node:", $0; foreign = 1 } END { exit foreign }' "$work/own"
}

body_comes_back() {
  head -c 1000000 /dev/urandom >"$work/body"
  get -X POST -H 'Content-Type: application/octet-stream' -H 'Expect:' --data-binary "@$work/body" "$url/echo" >"$work/echo" &&
    cmp "$work/body" "$work/echo"
}

survives_a_killed_worker() {
  kill -KILL "${pids[worker-2]}" && serving 30
}

metrics_of_all() {
  local port
  for port in "$coordinator_metrics" "$proxy_metrics" "$gateway_metrics" "${worker_ports[@]}"; do
    get "http://127.0.0.1:$port/metrics" | grep '^warren_' >/dev/null || { echo "no metrics on port $port"; return 1; }
  done
}

# one_queue: publishes 60 messages to shard.logs, and consumes them from a queue of that name, with a client made for queues.
one_queue() {
  timeout 60 /usr/bin/python3 -B - "$gateway_port" <<'PYTHON'
import sys
import pika
channel = pika.BlockingConnection(pika.ConnectionParameters(port=int(sys.argv[1]))).channel()
channel.confirm_delivery()
sent = {f"message {number}" for number in range(60)}
for text in sent:
    channel.basic_publish("shard.logs", text, text.encode(), mandatory=True)
got = set()
for method, _, body in channel.consume("shard.logs", inactivity_timeout=20):
    if method is None:
        sys.exit(f"{len(got)} of {len(sent)} messages came")
    channel.basic_ack(method.delivery_tag)
    got.add(body.decode())
    if got == sent:
        break
channel.connection.close()
PYTHON
}

coordinator_reports_the_stream() {
  get "http://127.0.0.1:$coordinator_port/api/v1/streams" | grep '"shard.web"' >/dev/null
}

nothing_is_left() {
  ! any_alive && [[ ! -e $work ]] && ! (exec 3<>"/dev/tcp/127.0.0.1/$proxy_port") 2>/dev/null
}

# --- The story ---------------------------------------------------------------------------------------

step "packages that are missing" "$root/deploy/setup.sh"
if [[ -z $bin ]]; then
  step "build in $build (minutes, the first time)" build_programs
  bin=$build/bin
fi
step "RabbitMQ cluster of three nodes" start_cluster

mapfile -t urls < <(cluster status --json | jq -r '.nodes[].management')
mapfile -t addresses < <(cluster status --json | jq -r '.nodes[].amqp')
management_1=${urls[0]}
management=() every_node=()
for index in 0 1 2; do
  management+=(--management "${urls[index]}")
  every_node+=(--node "${addresses[index]}")
  amqp_nodes[index + 1]=${addresses[index]}
done

definition='{"local-username": "guest", "shards-per-node": 2, "routing-key": "1234"}'
step "stream definition and policy my_stream" define_stream
step "exchange shard.web" declare_exchange shard.web
step "exchange shard.logs" declare_exchange shard.logs

port 15680 && coordinator_port=$chosen
port 15681 && coordinator_metrics=$chosen
port 8080 && proxy_port=$chosen
port 15682 && proxy_metrics=$chosen
port 5670 && gateway_port=$chosen
port 15684 && gateway_metrics=$chosen
url=http://127.0.0.1:$proxy_port
launch coordinator "$bin/warren-coordinator" "${management[@]}" "${every_node[@]}" --interval 1s \
  --listen "127.0.0.1:$coordinator_port" --metrics-listen "127.0.0.1:$coordinator_metrics"
step "coordinator" wait_ready coordinator "$coordinator_metrics"
step "shards on every node" within 30 six_shards

for index in 1 2 3; do
  port $((3000 + index)) && backend_ports[index]=$chosen
  port $((15673 + 10 * index)) && worker_ports[index]=$chosen
  launch "backend-$index" /usr/bin/python3 -B "$root/deploy/quickstart/backend.py" "back end $index" "${backend_ports[index]}"
  launch_worker "$index"
done
for index in 1 2 3; do
  step "back end $index and its worker on rabbit$index" wait_ready "worker-$index" "${worker_ports[index]}"
done
launch proxy "$bin/warren-proxy" --exchange shard.web --listen "127.0.0.1:$proxy_port" "${every_node[@]}" \
  --metrics-listen "127.0.0.1:$proxy_metrics" --expose-origin
step "proxy" wait_ready proxy "$proxy_metrics"
launch gateway "$bin/warren-gateway" --listen "127.0.0.1:$gateway_port" "${every_node[@]}" "${management[@]}" \
  --metrics-listen "127.0.0.1:$gateway_metrics"
step "gateway" wait_ready gateway "$gateway_metrics"
step "first request" within 30 served
# A worker covers shards that it believes nobody else does, and the broker's statistics are 5 s old.
step "each worker on the shards of its own node" within 40 each_worker_serves_its_own_node

if [[ $check == yes ]]; then
  claim "three nodes run as one cluster" three_nodes_run
  claim "shard.web has the six queues of the original plugin's documentation, each on the node in its name" six_shards
  claim "each of them is bound once, with weight 1" bound_once_with_weight_one
  claim "the coordinator reports the stream" coordinator_reports_the_stream
  claim "120 requests are answered and reach three nodes, six shards and three back ends" spread_over_everything
  claim "each worker serves the shards of its own node" within 30 each_worker_serves_its_own_node
  claim "a body of 1,000,000 random bytes comes back byte for byte" body_comes_back
  claim "an AMQP client that takes shard.logs for a queue gets the 60 messages that were published to it" one_queue
  claim "every part has metrics" metrics_of_all
  claim "with one worker killed, every request is answered" survives_a_killed_worker
  launch_worker 2
  claim "started again, it is ready" wait_ready worker-2 "${worker_ports[2]}"
  stop_all
  claim "nothing is left behind" nothing_is_left
  exit "$failed"
fi

printf '\nWhich node, shard and worker served each request (curl -i %s shows the same fields):\n' "$url"
serving 9 | while IFS=$'\t' read -r node shard worker backend; do
  printf '  %-18s %-45s %-34s %s\n' "$node" "$shard" "$worker" "$backend"
done
printf '\n  application  %s\n  REST         http://127.0.0.1:%s/api/v1/streams\n' "$url" "$coordinator_port"
printf '  metrics      http://127.0.0.1:%s/metrics (coordinator), :%s (proxy), :%s (gateway), :%s (workers)\n' \
  "$coordinator_metrics" "$proxy_metrics" "$gateway_metrics" "$(IFS=,; echo "${worker_ports[*]}")"
printf '  gateway      amqp://guest:guest@127.0.0.1:%s: shard.logs is one queue there\n' "$gateway_port"
printf '  RabbitMQ     %s (guest, guest)\n  logs         %s/*.log\n\n' "$management_1" "$work"
printf '  %s list_shards %s\n' "$bin/warrenctl" "--management $management_1"
printf '  %s kill 2\n\n' "$root/deploy/cluster/cluster --dir $work/cluster"
printf '  kill -9 %s  # worker 2; what ends is started again, as a service manager would\n\n' "${pids[worker-2]}"
echo "Everything stays up until Ctrl-C."
while :; do
  sleep 1 &
  wait $!
  for name in "${!pids[@]}"; do
    if kill -0 "${pids[$name]}" 2>/dev/null; then continue; fi
    if ((restarts_left-- == 0)); then
      echo "quickstart.sh: $name ended again; the end of its log:" >&2
      tail -n 20 "$work/$name.log" >&2
      exit 1
    fi
    echo "quickstart.sh: $name ended and is started again; its log: $work/$name.log" >&2
    eval "launch '$name' ${commands[$name]}"
  done
done
