#!/usr/bin/python3
"""What warren-gateway costs a client: the same clients straight at a broker node and through the gateway, in turns in one
run. They publish with confirms to a sharded exchange and consume with a prefetch of 100; straight at the broker they name
each shard, through the gateway the stream.

    WARREN_BIN=build/Release/bin tests/bench/gateway.py --tools build/Release/bench

Starts one cluster of one node. Prints tables, and one line of JSON."""

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

# pylint: disable=wrong-import-position
import pika
from support.cluster import Cluster
from support.management import ManagementApi
from support.processes import Programs

EXCHANGE = "shard.bench"
SHARDS = 2
CONNECTIONS = (1, 8, 64)
BODIES = (128, 16 * 1024)


class Bench:
    """The cluster, the gateway and the program that makes the load."""

    def __init__(self, options, cluster, programs):
        self.options, self.cluster = options, cluster
        api = ManagementApi(cluster.management[0])
        api.define_stream("bench", {"shards-per-node": SHARDS, "routing-key": "1"}, "^shard\\.")
        api.declare_exchange(EXCHANGE)
        self.coordinator = programs.coordinator(cluster)
        api.wait_shards(EXCHANGE, SHARDS)
        self.shards = [f"stream: {EXCHANGE} - {cluster.names[0]} - {index}" for index in range(SHARDS)]
        self.api = api
        self.gateway = programs.gateway(cluster, "--log-level", "warning")
        self.addresses = {"direct": cluster.amqp[0], "gateway": f"127.0.0.1:{self.gateway.port}"}
        self.queues = {"direct": self.shards, "gateway": [EXCHANGE]}

    def load(self, way, **arguments):
        """One measurement's report."""
        self.empty()
        command = [os.path.join(self.options.tools, "amqp_peers"), "--node", self.addresses[way], "--exchange", EXCHANGE,
                   "--seconds", str(self.options.seconds), "--watch", f"gateway={self.gateway.pid}"]
        for queue in self.queues[way]:
            command += ["--queue", queue]
        for name, value in arguments.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            sys.exit(f"amqp_peers: {done.stdout} {done.stderr}")
        return json.loads(done.stdout)

    def empty(self):
        """What the last load left behind goes."""
        address = self.cluster.amqp[0].rpartition(":")
        connection = pika.BlockingConnection(pika.ConnectionParameters(address[0], int(address[2])))
        for shard in self.shards:
            connection.channel().queue_purge(shard)
        connection.close()

    def compare(self, **arguments):
        """Medians of both ways, measured in turns: {way: {rate, p50_us, cpu}}."""
        runs = {"direct": [], "gateway": []}
        for turn in range(self.options.turns):
            for way in (("direct", "gateway") if turn % 2 == 0 else ("gateway", "direct")):
                runs[way].append(self.load(way, **arguments))
        return {way: {"rate": statistics.median(run["rate"] for run in reports),
                      "p50_us": statistics.median(run["p50_us"] for run in reports),
                      "cpu_us": statistics.median(run["cpu_us_per_request"]["gateway"] for run in reports)}
                for way, reports in runs.items()}

    def resident(self):
        """The gateway's resident memory, KiB."""
        with open(f"/proc/{self.gateway.pid}/status", encoding="ascii") as status:
            return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))

    def idle(self, count):
        """KiB of the gateway for each of `count` connections that do nothing, with one channel each."""
        before = self.resident()
        with contextlib.ExitStack() as stack:
            for _ in range(count):
                connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.gateway.port, heartbeat=0))
                stack.callback(connection.close)
                connection.channel()
            time.sleep(2)
            return (self.resident() - before) / count


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", required=True, help="the folder with amqp_peers")
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--turns", type=int, default=3, help="measurements of each kind; the median counts")
    parser.add_argument("--idle", type=int, default=500, help="connections that do nothing")
    options = parser.parse_args()
    socket.setdefaulttimeout(30)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="warren-bench-"))
        cluster = Cluster(1)
        stack.callback(cluster.stop)
        programs = Programs(folder)
        stack.callback(programs.end)
        bench = Bench(options, cluster, programs)
        found = {"idle_kib": bench.idle(options.idle)}
        print(f"# idle connection: {found['idle_kib']:.1f} KiB", flush=True)
        one = bench.compare(connections=1, in_flight=1, body_bytes=128)
        found["one in flight"] = one
        print(f"# one message in flight: p50 {one['direct']['p50_us']:.0f} us straight, "
              f"{one['gateway']['p50_us']:.0f} us through the gateway", flush=True)
        print("| body | connections | straight, messages/s | gateway, messages/s | ratio | gateway, CPU us/message |\n"
              "|---|---|---|---|---|---|", flush=True)
        for body in BODIES:
            for connections in CONNECTIONS:
                ways = bench.compare(connections=connections, body_bytes=body,
                                     in_flight=100 if connections < 64 else 10)
                found[f"{body} {connections}"] = ways
                ratio = ways["gateway"]["rate"] / ways["direct"]["rate"]
                print(f"| {body} B | {connections} | {ways['direct']['rate']:.0f} | {ways['gateway']['rate']:.0f} | "
                      f"{ratio:.2f} | {ways['gateway']['cpu_us']:.1f} |", flush=True)
        print(json.dumps(found))


if __name__ == "__main__":
    main()
