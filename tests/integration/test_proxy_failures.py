"""warren-proxy while its nodes turn it away, a worker dies with requests in hand, and all nodes are down: three nodes, a
real warren-worker on each. Whatever fails, answers are right, nothing hangs, and no plain POST is run twice. tests/faults
has the same under load."""

import re
import threading
import time
from dataclasses import dataclass

import pytest

from proxy_load import EXCHANGE, Ledger, Load, expected
from support.backend import Backend
from support.cluster import Cluster
from support.http_client import Connection, request, wait_serving
from support.management import ManagementApi
from support.processes import Program
from support.waiting import wait_until

CLUSTER_NODES = 3
HOLDING = 8  # Requests of each kind that are in hand when a worker is killed.


@dataclass
class Service:
    """Everything between a client and the ledger."""
    cluster: Cluster
    proxy: Program
    workers: list
    ledger: Ledger

    def publishing_node(self):
        """Index of the node that the proxy publishes to, as its log says."""
        found = re.findall(r"publishing exchange=\S+ endpoint=(\S+)", self.proxy.log())
        return self.cluster.amqp.index(found[-1]) if found else None

    def wait_worker_on_each(self):
        """Every shard served by the worker of its node: the state that each test begins with."""
        api = ManagementApi(self.cluster.management[0])

        def settled():
            homes = {}
            for consumer in api.get("consumers/%2F"):
                queue = consumer["queue"]["name"]
                if queue.startswith(f"stream: {EXCHANGE} - "):
                    homes.setdefault(queue, []).append(consumer["consumer_tag"].split(":")[1])
            return homes == {f"stream: {EXCHANGE} - {name} - 0": [name] for name in self.cluster.names}
        wait_until(settled, 40, "each worker serves its own node")


@pytest.fixture(scope="module", name="service")
def _service(cluster, module_programs, module_backend):
    api = ManagementApi(cluster.management[0])
    api.define_stream("web", {"shards-per-node": 1, "routing-key": "1", "http": True}, "^shard\\.")
    api.declare_exchange(EXCHANGE)
    module_programs.ctl(cluster, "apply", check=True)
    ledger = Ledger()
    backs: list[Backend] = [module_backend(name, ledger.respond(name)) for name in cluster.names]
    workers = [module_programs.worker(cluster, EXCHANGE, back.url, "--concurrency", "32", node=index)
               for index, back in enumerate(backs)]
    proxy = module_programs.proxy(cluster, EXCHANGE)
    wait_serving(proxy.port)
    return Service(cluster, proxy, workers, ledger)


@pytest.fixture(autouse=True)
def _steady(cluster, service):
    """Every test begins with all nodes up and a worker at each."""
    cluster.start_stopped_nodes()
    service.wait_worker_on_each()
    wait_serving(service.proxy.port)


def test_moves_on_when_nodes_turn_it_away_and_comes_back_to_the_first(cluster, service):
    home = service.publishing_node()
    with Load(service.proxy.port) as load:
        for turn in range(CLUSTER_NODES):
            now = service.publishing_node()
            assert (now == home) == (turn == 0)
            time.sleep(1.2)  # A connection that ends sooner counts as a failed attempt.
            cluster.ctl(now, "close_all_connections", "test")
            wait_until(lambda was=now: service.publishing_node() != was, 20, "the proxy moves on")
        assert service.publishing_node() == home
        time.sleep(1)
    load.check(service.ledger)
    assert service.proxy.is_ready()


class Asker(threading.Thread):
    """One request on a connection of its own."""

    def __init__(self, port, method, path):
        super().__init__(daemon=True)
        self.port, self.method, self.path, self.answer = port, method, path, None
        self.start()

    def run(self):
        self.answer = request(self.port, self.method, self.path, body=b"abc" if self.method == "POST" else b"")

    def result(self):
        """Status, and whether the body is right."""
        self.join(60)
        assert self.answer, f"{self.path} hangs"
        body = b"abc" if self.method == "POST" else b""
        return self.answer.status, self.answer.body == expected(self.method, self.path, body)


def test_answers_what_a_killed_worker_had_in_hand(cluster, service):
    ledger = service.ledger
    askers = [Asker(service.proxy.port, method, f"/hold/{method}/{number}")
              for number in range(HOLDING) for method in ("GET", "POST")]
    wait_until(lambda: len(ledger.held) == len(askers), 20, lambda: f"all are in hand: {ledger.held}")
    held = dict(ledger.held)
    of = {name: {path.split("/")[2] for path in held if held[path] == name} for name in cluster.names}
    victim = next(name for name in cluster.names if of[name] == {"GET", "POST"})
    worker = service.workers[cluster.names.index(victim)]
    worker.kill()
    gets = [path for path in held if held[path] == victim and "/GET/" in path]
    wait_until(lambda: all(ledger.runs[path] == 2 for path in gets), 20,
               lambda: f"another worker took the GETs: {ledger.runs}")
    ledger.release.set()
    results = {asker.path: asker.result() for asker in askers}
    worker.start()
    for path, name in held.items():
        lost = name == victim and "/POST/" in path
        assert results[path] == ((502, False) if lost else (200, True)), path
        assert ledger.runs[path] == (2 if path in gets else 1), path


def test_recovers_by_itself_when_all_nodes_were_down(cluster, service):
    ledger = service.ledger
    ledger.release.clear()
    lost, repeated = (Asker(service.proxy.port, method, f"/hold/down/{method}") for method in ("POST", "GET"))
    wait_until(lambda: {lost.path, repeated.path} <= ledger.held.keys(), 20, "both are in hand")
    with Connection(service.proxy.port) as kept:
        for index in range(CLUSTER_NODES):
            cluster.kill(index)
        ledger.release.set()
        assert lost.result() == (502, False)
        for method in ("GET", "POST"):
            answer = kept.request(method, "/down", body=b"")
            assert (answer.status, answer.value("retry-after")) == (503, "1")
        wait_until(lambda: not service.proxy.is_ready(), 20, "it says that it cannot serve")
        cluster.command("start")
        wait_serving(service.proxy.port, timeout=40)
        service.wait_worker_on_each()
        with Load(service.proxy.port) as load:
            time.sleep(2)
        load.check(ledger)
        assert set(load.statuses("plain")) == {200}
        assert repeated.result() in ((200, True), (504, False))  # 504: the nodes took longer than its deadline.
        assert ledger.runs[lost.path] == 1
        assert kept.request("GET", "/up").body == expected("GET", "/up", b"")
