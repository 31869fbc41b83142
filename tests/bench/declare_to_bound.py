#!/usr/bin/python3
"""Time from exchange.declare to all shards bound on three nodes: Warren, and in the same run on the same cluster the
rabbitmq_sharding plugin. Both are timed alike: from sending exchange.declare until the broker's event exchange has told
of the last binding.

    WARREN_BIN=build/Release/bin tests/bench/declare_to_bound.py --exchanges 100

Starts a cluster of its own and a coordinator that never looks by itself (--interval 1h): what it does, it does because of
events. Exchanges of the two are declared in turn. Prints one table; exits with 1 when a stream was not bound in time."""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
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
LONGEST_WAIT_S = 10
PAUSE_S = 0.3
PLUGIN_POLICY = {"pattern": r"^plugin\.", "apply-to": "exchanges",
                 "definition": {"shards-per-node": PER_NODE, "routing-key": "1"}}


class Bindings:
    """Hears of bindings through the event exchange."""

    def __init__(self, connection):
        self.connection = connection
        self.counts = {}
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "amq.rabbitmq.event", "binding.created")
        channel.basic_consume(queue, self._heard, auto_ack=True)

    def _heard(self, _channel, _method, properties, _body):
        source = properties.headers.get("source_name")
        self.counts[source] = self.counts.get(source, 0) + 1

    def wait(self, exchange, end):
        """Whether the exchange has all its bindings before `end`."""
        while self.counts.get(exchange, 0) < SHARDS:
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.connection.process_data_events(left)
        return True


def timed(channel, bindings, exchange):
    """Milliseconds until the exchange is bound to all its shards, and until its declaration was answered."""
    started = time.monotonic()
    channel.exchange_declare(exchange, "x-consistent-hash", durable=True)
    answered = time.monotonic() - started
    if not bindings.wait(exchange, started + LONGEST_WAIT_S):
        sys.exit(f"{exchange}: {bindings.counts.get(exchange, 0)} of {SHARDS} bindings after {LONGEST_WAIT_S} s")
    return 1000 * (time.monotonic() - started), 1000 * answered


def measure(cluster, count):
    """Samples by name: lists of (bound, answered)."""
    samples = {"stream": [], "plugin": []}
    with amqp.connect(cluster.amqp[0]) as declaring, amqp.connect(cluster.amqp[0]) as hearing:
        bindings = Bindings(hearing)
        channel = declaring.channel()
        for number in range(count):
            for name, taken in samples.items():
                taken.append(timed(channel, bindings, f"{name}.{number}"))
                deadline = time.monotonic() + PAUSE_S
                while time.monotonic() < deadline:  # Also keeps both connections alive.
                    hearing.process_data_events(PAUSE_S / 3)
                declaring.process_data_events(0)
    return samples


def prepare(cluster, programs):
    """Policies for both, and a coordinator that hears events."""
    api = ManagementApi(cluster.management[0])
    api.define_stream("bench", {"shards-per-node": PER_NODE, "routing-key": "1234"}, r"^stream\.")
    api.put("policies/%2F/plugin", PLUGIN_POLICY)
    program = programs.coordinator(cluster, "--interval", "1h")
    wait_until(lambda: HTTP.get(f"{program.api}/streams", timeout=5).json()["observation"]["source"] == "events", 30,
               program.log_tail)


def quantile(values, share):
    """The value that `share` of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def row(title, values):
    """One line of the table."""
    return (f"| {title} | {len(values)} | {statistics.median(values):.0f} | {quantile(values, 0.95):.0f} | "
            f"{min(values):.0f} | {max(values):.0f} |")


def main():
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchanges", type=int, default=60, metavar="N", help="of each of the two; at least 50")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with contextlib.ExitStack() as stack:
        cluster = Cluster(NODES, ["rabbitmq_sharding"])
        stack.callback(cluster.stop)
        programs = Programs(stack.enter_context(tempfile.TemporaryDirectory(prefix="warren-bench-")))
        stack.callback(programs.end)
        prepare(cluster, programs)
        samples = measure(cluster, max(50, options.exchanges))
    print(f"{NODES} nodes, {SHARDS} shards, {os.cpu_count()} processors, load before the run {load:.1f}; milliseconds\n")
    print("| from exchange.declare to | exchanges | median | p95 | least | most |")
    print("|---|---|---|---|---|---|")
    print(row("all shards bound, Warren", [bound for bound, _ in samples["stream"]]))
    print(row("all shards bound, rabbitmq_sharding", [bound for bound, _ in samples["plugin"]]))
    print(row("declare-ok, Warren", [answered for _, answered in samples["stream"]]))
    print(row("declare-ok, rabbitmq_sharding", [answered for _, answered in samples["plugin"]]))


if __name__ == "__main__":
    main()
