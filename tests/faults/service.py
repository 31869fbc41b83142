"""Everything between the clients and the ledgers: a cluster, a coordinator that shards the exchange, a worker beside
each node with an application behind it, and the proxy."""

import os
import re

from ledger import Applications
from support.http_client import wait_serving
from support.management import ManagementApi, part
from support.processes import urls
from support.waiting import wait_until

EXCHANGE = "shard.web"
SECONDS = float(os.environ.get("WARREN_FAULT_SECONDS", "12"))  # How long the faults of one scenario go on.


def rotated(nodes_of, first):
    """--node for every node, one of them first."""
    return [part_ for address in nodes_of[first:] + nodes_of[:first] for part_ in ("--node", address)]


class Service:
    """The programs of one data plane. `folder` takes the ledgers."""

    def __init__(self, cluster, programs, folder, per_node=2, queue=None):
        self.cluster, self.programs = cluster, programs
        self.api = ManagementApi(cluster.management[0])
        definition = {"shards-per-node": per_node, "routing-key": "1", "http": True} | ({"queue": queue} if queue else {})
        self.api.define_stream("web", definition, "^shard\\.")
        self.api.declare_exchange(EXCHANGE)
        self.coordinator = programs.coordinator(cluster)
        self.shards = per_node * len(cluster.names)
        self.api.wait_shards(EXCHANGE, self.shards)
        self.applications = Applications(str(folder), len(cluster.names))
        self.workers = [self.start_worker(index) for index in range(len(cluster.names))]
        self.proxy = self.start_proxy()

    def start_worker(self, index, *arguments):
        """A worker that connects to node `index` first and asks application `index`."""
        return self.programs.start("warren-worker", "--stream", EXCHANGE, "--upstream", self.applications.urls[index],
                                   *rotated(self.cluster.amqp, index), *urls(self.cluster), "--concurrency", "32", *arguments)

    def start_proxy(self, *arguments):
        """Another proxy; returns it once it serves."""
        proxy = self.programs.proxy(self.cluster, EXCHANGE, *arguments)
        wait_serving(proxy.port)
        return proxy

    def publishing_node(self):
        """Index of the node that the proxy publishes to, as its log says."""
        found = re.findall(r"publishing exchange=\S+ endpoint=(\S+)", self.proxy.log())
        return self.cluster.amqp.index(found[-1])

    def consuming_node(self):
        """Index of the node that has the proxy's reply queue."""
        queue = re.findall(r"consuming replies queue=(\S+)", self.proxy.log())[-1]
        return self.cluster.names.index(self.running_api().get(f"queues/%2F/{part(queue)}?columns=node")["node"])

    def running_api(self):
        """The management API of a node that runs."""
        return ManagementApi(next(entry["management"] for entry in self.cluster.status()["nodes"] if entry["running"]))

    def wait_steady(self, timeout=60):
        """Every node up, every shard bound and consumed, the proxy ready: what each scenario begins with."""
        self.cluster.start_stopped_nodes()
        self.api.wait_shards(EXCHANGE, self.shards, timeout)

        def covered():
            served = {consumer["queue"]["name"] for consumer in self.api.get("consumers/%2F")}
            return set(self.api.shards(EXCHANGE)) <= served and self.proxy.is_ready()
        wait_until(covered, timeout, "every shard has a consumer")
        wait_serving(self.proxy.port)

    def close(self):
        """Ends the applications; the programs end with their fixture."""
        self.applications.close()
