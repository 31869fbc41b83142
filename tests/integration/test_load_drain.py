"""Load while the shards under it are taken out of service, re-created and added: a request that lands in a shard
which is being drained is answered all the same, so nothing is lost, refused, mixed up or run twice."""

import pytest

from proxy_load import EXCHANGE, Ledger, Load
from support.http_client import wait_serving
from support.management import part
from support.waiting import wait_until
from worker_calls import delete_when_drained, make_shard, make_shards, shard, unbind

CLUSTER_NODES = 2
CLUSTER_STATISTICS_MS = 1000
PATTERN = "^shard\\."


@pytest.fixture
def ledger():
    """What the back ends ran."""
    return Ledger()


@pytest.fixture
def applications(backend, ledger):  # pylint: disable=redefined-outer-name
    """A back end for each node's worker."""
    return [backend(f"b{index}", ledger.respond(f"b{index}")) for index in range(CLUSTER_NODES)]


def define(api, per_node, arguments=None):
    """The stream's definition as it is wanted now."""
    api.define_stream("web", {"shards-per-node": per_node, "routing-key": "1",
                              "queue": {"type": "classic", "durable": True, "arguments": arguments or {}}}, PATTERN)


def served(cluster, programs, applications):  # pylint: disable=redefined-outer-name
    """Workers on both nodes and a proxy that serves; its port."""
    for index, application in enumerate(applications):
        programs.worker(cluster, EXCHANGE, application.url, node=index)
    proxy = programs.proxy(cluster, EXCHANGE)
    wait_serving(proxy.port)
    return proxy.port


def check_all_served(load, ledger):  # pylint: disable=redefined-outer-name
    """Every request has its own answer with 200; nothing is refused, for no node fails here."""
    load.check(ledger)
    refused = [failure for kind in ("get", "keyed", "plain") for failure in load.failures(kind)]
    assert not refused, refused
    assert len(load.answers) > 500, len(load.answers)


def test_shards_come_and_go_under_load_and_no_request_notices(cluster, clean, programs, applications, ledger):
    define(clean, 3)
    clean.declare_exchange(EXCHANGE)
    programs.coordinator(cluster, "--statistics-interval", "1s")
    clean.wait_shards(EXCHANGE, 6)
    port = served(cluster, programs, applications)
    with Load(port) as load:
        for per_node in (1, 3, 2):
            define(clean, per_node)
            clean.wait_shards(EXCHANGE, per_node * CLUSTER_NODES, timeout=90)
    check_all_served(load, ledger)


def test_shards_are_re_created_by_another_template_under_load(cluster, clean, programs, applications, ledger):
    define(clean, 2)
    clean.declare_exchange(EXCHANGE)
    programs.coordinator(cluster, "--statistics-interval", "1s")
    clean.wait_shards(EXCHANGE, 4)
    port = served(cluster, programs, applications)
    with Load(port) as load:
        define(clean, 2, {"x-max-length": 100_000})
        wait_until(lambda: [queue["arguments"].get("x-max-length") for queue in clean.shards(EXCHANGE).values()]
                   == [100_000] * 4, 150, lambda: f"all are re-created: {clean.shards(EXCHANGE)}")
        clean.wait_shards(EXCHANGE, 4)
    check_all_served(load, ledger)


def test_a_node_is_emptied_and_filled_again_under_load(cluster, clean, programs, applications, ledger):
    define(clean, 2)
    clean.declare_exchange(EXCHANGE)
    programs.coordinator(cluster, "--statistics-interval", "1s")
    clean.wait_shards(EXCHANGE, 4)
    port = served(cluster, programs, applications)
    with Load(port) as load:
        programs.ctl(cluster, "drain_node", cluster.names[1], check=True)
        left = clean.wait_shards(EXCHANGE, 2, timeout=90)
        assert {queue["node"] for queue in left.values()} == {cluster.names[0]}
        programs.ctl(cluster, "undrain_node", cluster.names[1], check=True)
        clean.wait_shards(EXCHANGE, 4, timeout=60)
    check_all_served(load, ledger)


def test_nothing_is_lost_when_shards_are_unbound_and_deleted_by_hand(cluster, clean, programs, applications, ledger):
    make_shards(clean, cluster.names, per_node=2)
    port = served(cluster, programs, applications)
    with Load(port) as load:
        for round_number in range(4):
            queue = shard(cluster.names[round_number % 2], 1)
            unbind(clean, queue)
            delete_when_drained(clean, cluster.amqp[0], queue)
            make_shard(clean, cluster.names[round_number % 2], queue)
    check_all_served(load, ledger)


def test_workers_without_the_management_api_let_drained_shards_go_under_load(cluster, clean, programs, applications,
                                                                          ledger):
    make_shards(clean, cluster.names, per_node=2)
    for index, application in enumerate(applications):
        programs.start("warren-worker", "--stream", EXCHANGE, "--upstream", application.url, "--node", cluster.amqp[index],
                       "--local-node", cluster.names[index], "--yield-every", "30s")
    proxy = programs.proxy(cluster, EXCHANGE)
    wait_serving(proxy.port)
    queue = shard(cluster.names[0], 1)
    with Load(proxy.port) as load:
        unbind(clean, queue)
        delete_when_drained(clean, cluster.amqp[0], queue, timeout=90)
        make_shard(clean, cluster.names[0], queue)
        wait_until(lambda: clean.get(f"queues/%2F/{part(queue)}").get("consumers", 0) > 0, 60, "it is found again")
    check_all_served(load, ledger)
