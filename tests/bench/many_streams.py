#!/usr/bin/python3
"""What many streams cost: from a thousand exchanges to six thousand bound shards, for Warren, for the rabbitmq_sharding
plugin and for bare pipelined declarations, which are the broker's own limit; then what a converged cluster of that size
costs: memory of the coordinator, time and processor time of its looks.

    WARREN_BIN=build/Release/bin tests/bench/many_streams.py --tools build/Release/bench --streams 1000

Starts one cluster of three nodes of its own, on which all take their turn; what each made is deleted before the next.
A time ends when the broker's event exchange has told of the last binding. Prints tables, and one line of JSON."""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

# pylint: disable=wrong-import-position
from support import amqp
from support.cluster import Cluster
from support.management import ManagementApi
from support.processes import HTTP, Programs
from support.waiting import wait_until

NODES = 3
PER_NODE = 2
SHARDS = NODES * PER_NODE
LONGEST_WAIT_S = 240
TICKS = os.sysconf("SC_CLK_TCK")
PLUGIN_POLICY = {"pattern": r"^plugin\.", "apply-to": "exchanges",
                 "definition": {"shards-per-node": PER_NODE, "routing-key": "1"}}


class Batch:
    """Runs amqp_batch."""

    def __init__(self, tools, cluster):
        self.command = [os.path.join(tools, "amqp_batch")]
        for address in cluster.amqp:
            self.command += ["--node", address]

    def run(self, steps):
        """Seconds for the steps: (node, what, argument…)."""
        text = "".join("\t".join(map(str, step)) + "\n" for step in steps)
        done = subprocess.run(self.command, input=text, capture_output=True, text=True, timeout=LONGEST_WAIT_S, check=False)
        if done.returncode != 0:
            sys.exit(f"amqp_batch: {done.stdout} {done.stderr}")
        return json.loads(done.stdout)["seconds"]


class Bindings(threading.Thread):
    """Counts the bindings that the event exchange tells of."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.count, self.last, self.ended = address, 0, 0.0, False
        self.listening = threading.Event()

    def run(self):
        """Listens until `ended`."""
        with amqp.connect(self.address) as connection:
            channel = connection.channel()
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queue, "amq.rabbitmq.event", "binding.created")
            channel.basic_consume(queue, self._heard, auto_ack=True)
            self.listening.set()
            while not self.ended:
                connection.process_data_events(1)

    def _heard(self, _channel, _method, _properties, _body):
        self.count += 1
        self.last = time.monotonic()

    def until(self, count):
        """When the binding of that number was heard of."""
        wait_until(lambda: self.count >= count, LONGEST_WAIT_S, lambda: f"{self.count} of {count} bindings")
        return self.last


@contextlib.contextmanager
def listening(cluster):
    """A Bindings for the block."""
    bindings = Bindings(cluster.amqp[0])
    bindings.start()
    bindings.listening.wait(20)
    try:
        yield bindings
    finally:
        bindings.ended = True
        bindings.join(10)


def declare(cluster, names):
    """Declares the exchanges one after the other, as one client does; milliseconds of each."""
    taken = []
    with amqp.connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        for name in names:
            started = time.monotonic()
            channel.exchange_declare(name, "x-consistent-hash", durable=True)
            taken.append(1000 * (time.monotonic() - started))
    return taken


def clear(cluster, batch):
    """Deletes all exchanges and queues that a contender made; its rules are gone by now."""
    api = ManagementApi(cluster.management[0])
    index = {name: number for number, name in enumerate(cluster.names)}
    queues = api.get("queues?disable_stats=true&columns=name,node,exclusive")
    exchanges = [entry["name"] for entry in api.get("exchanges?columns=name")]
    batch.run([(0, "delete-exchange", name) for name in exchanges if name and not name.startswith(("amq.", "warren."))])
    batch.run([(index[queue["node"]], "delete-queue", queue["name"]) for queue in queues if not queue.get("exclusive")])


def names_of(prefix, count):
    """The exchanges of one contender."""
    return [f"{prefix}.{number}" for number in range(count)]


def bare(cluster, batch, count):
    """Seconds for queues and bindings alone, the exchanges being there; and what exchange.declare takes without anybody."""
    exchanges = names_of("bare", count)
    declared = declare(cluster, exchanges)
    steps = []
    for exchange in exchanges:
        for shard in range(PER_NODE):
            for node, name in enumerate(cluster.names):
                queue = f"bare: {exchange} - {name} - {shard}"
                steps += [(node, "queue", queue), (node, "bind", queue, exchange, "1")]
    seconds = batch.run(steps)
    clear(cluster, batch)
    return {"seconds": seconds, "declare_ms": declared}


def plugin(cluster, batch, count):
    """Seconds from the first exchange.declare to the last binding."""
    api = ManagementApi(cluster.management[0])
    api.put("policies/%2F/plugin", PLUGIN_POLICY)
    with listening(cluster) as bindings:
        started = time.monotonic()
        declared = declare(cluster, names_of("plugin", count))
        seconds = bindings.until(count * SHARDS) - started
    clear(cluster, batch)  # Before the policy: the plugin looks at every exchange that loses it.
    api.delete("policies/%2F/plugin")
    return {"seconds": seconds, "declare_ms": declared}


def streams_of(program, query="limit=1"):
    """The coordinator's answer."""
    return HTTP.get(f"{program.api}/streams?{query}", timeout=30).json()


def coordinator(cluster, programs):
    """One that hears events, with the pace that it has by default."""
    program = programs.coordinator(cluster, "--interval", "5s")
    wait_until(lambda: streams_of(program)["observation"]["source"] == "events", 60, program.log_tail)
    return program


def processor_seconds(pid):
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as text:
        fields = text.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid, field="VmRSS"):
    """Resident memory, or another line of /proc/PID/status, in MiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as text:
        for line in text:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    return 0.0


def brokers_seconds(cluster):
    """Processor time of all nodes so far."""
    nodes = ManagementApi(cluster.management[0]).get("nodes?columns=os_pid")
    return sum(processor_seconds(int(node["os_pid"])) for node in nodes)


def warren_by_policy(cluster, programs, count):
    """The exchanges are there; seconds from the policy to the last binding."""
    api = ManagementApi(cluster.management[0])
    declare(cluster, names_of("many", count))
    program = coordinator(cluster, programs)
    with listening(cluster) as bindings:
        started = time.monotonic()
        used = processor_seconds(program.pid)
        api.define_stream("many", {"shards-per-node": PER_NODE, "routing-key": "1234"}, r"^many\.")
        seconds = bindings.until(count * SHARDS) - started
        used = processor_seconds(program.pid) - used
    return program, {"seconds": seconds, "processor_s": used}


def wait_converged(program, count):
    """Waits until nothing is to be done any more."""
    def converged():
        text = program.metrics_text()
        return f'warren_streams{{state="ready"}} {count}' in text
    wait_until(converged, LONGEST_WAIT_S, program.log_tail)


def steady(cluster, program, seconds):
    """What a converged cluster costs, with and without looks."""
    looks = program.metric("warren_reconcile_duration_seconds_count")
    looked = program.metric("warren_reconcile_duration_seconds_sum")
    before, brokers, started = processor_seconds(program.pid), brokers_seconds(cluster), time.monotonic()
    time.sleep(seconds)
    span = time.monotonic() - started
    count = program.metric("warren_reconcile_duration_seconds_count") - looks
    result = {"looks": count, "look_s": (program.metric("warren_reconcile_duration_seconds_sum") - looked) / max(count, 1),
              "coordinator_share": (processor_seconds(program.pid) - before) / span,
              "brokers_share": (brokers_seconds(cluster) - brokers) / span,
              "memory_mib": memory_mib(program.pid), "peak_mib": memory_mib(program.pid, "VmHWM")}
    program.terminate()
    brokers, started = brokers_seconds(cluster), time.monotonic()
    time.sleep(seconds)
    result["brokers_share_alone"] = (brokers_seconds(cluster) - brokers) / (time.monotonic() - started)
    return result


def warren_by_declare(cluster, programs, batch, count):
    """The policy is there; seconds from the first exchange.declare to the last binding."""
    program = coordinator(cluster, programs)
    with listening(cluster) as bindings:
        started = time.monotonic()
        declared = declare(cluster, names_of("many", count))
        seconds = bindings.until(count * SHARDS) - started
    wait_converged(program, count)
    program.terminate()
    clear(cluster, batch)
    return {"seconds": seconds, "declare_ms": declared}


def measure(options, cluster, programs):
    """Everything, in turn."""
    batch = Batch(options.tools, cluster)
    found = {}
    for name, run in (("bare", bare), ("plugin", plugin)):
        found[name] = run(cluster, batch, options.streams)
        print(f"# {name}: {found[name]['seconds']:.1f} s", file=sys.stderr, flush=True)
    program, found["warren"] = warren_by_policy(cluster, programs, options.streams)
    print(f"# warren, policy: {found['warren']['seconds']:.1f} s", file=sys.stderr, flush=True)
    wait_converged(program, options.streams)
    found["steady"] = steady(cluster, program, options.seconds)
    print(f"# steady: {found['steady']}", file=sys.stderr, flush=True)
    clear(cluster, batch)
    found["warren-declare"] = warren_by_declare(cluster, programs, batch, options.streams)
    print(f"# warren, declare: {found['warren-declare']['seconds']:.1f} s", file=sys.stderr, flush=True)
    found["bare again"] = bare(cluster, batch, options.streams)
    return found


def quantile(values, share):
    """The value that `share` of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def report(found):
    """The tables."""
    limit = min(found["bare"]["seconds"], found["bare again"]["seconds"])
    rows = (("bare declarations", "bare"), ("bare declarations, once more", "bare again"),
            ("Warren, policy for exchanges that are there", "warren"), ("Warren, exchanges declared", "warren-declare"),
            ("rabbitmq_sharding, exchanges declared", "plugin"))
    print("| all shards bound | seconds | of the better bare run |\n|---|---|---|")
    for title, name in rows:
        print(f"| {title} | {found[name]['seconds']:.1f} | {found[name]['seconds'] / limit:.2f} |")
    print("\n| exchange.declare, milliseconds | median | p95 | most |\n|---|---|---|---|")
    for title, name in (("nobody looks on", "bare"), ("Warren", "warren-declare"), ("rabbitmq_sharding", "plugin")):
        taken = found[name]["declare_ms"]
        print(f"| {title} | {statistics.median(taken):.1f} | {quantile(taken, 0.95):.1f} | {max(taken):.1f} |")
    cost = found["steady"]
    print(f"\nconverged: {cost['looks']:.0f} looks of {cost['look_s']:.2f} s; coordinator {cost['memory_mib']:.0f} MiB "
          f"(most {cost['peak_mib']:.0f}), {100 * cost['coordinator_share']:.1f} % of a processor; brokers "
          f"{100 * cost['brokers_share']:.0f} % with it, {100 * cost['brokers_share_alone']:.0f} % without")
    for entry in found.values():
        entry.pop("declare_ms", None)
    print(json.dumps(found))


def main():
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000, metavar="N")
    parser.add_argument("--seconds", type=float, default=60, metavar="S", help="of watching the converged cluster")
    parser.add_argument("--tools", required=True, metavar="DIR", help="where the build put the benchmark programs")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with contextlib.ExitStack() as stack:
        cluster = Cluster(NODES, ["rabbitmq_sharding"])
        stack.callback(cluster.stop)
        programs = Programs(stack.enter_context(tempfile.TemporaryDirectory(prefix="warren-bench-")))
        stack.callback(programs.end)
        found = measure(options, cluster, programs)
    print(f"{options.streams} streams, {options.streams * SHARDS} shards on {NODES} nodes, {os.cpu_count()} processors, load "
          f"before the run {load:.1f}\n")
    report(found)


if __name__ == "__main__":
    main()
