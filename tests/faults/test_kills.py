"""Workers and nodes die under load, three nodes, a worker beside each: no wrong or lost answer, no failure at all of
what may be repeated, and a plain POST is answered once or 502, and never run twice.

WARREN_FAULT_SECONDS (default 12) is how long each scenario breaks things.
"""

import time

import pytest

from ledger import check
from load import Load
from service import SECONDS, Service, sleep_until

CLUSTER_NODES = 3
KILL_EVERY_S = 3


@pytest.fixture(scope="module", name="service")
def _service(cluster, module_programs, tmp_path_factory):
    made = Service(cluster, module_programs, tmp_path_factory.mktemp("ledgers"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _steady(service):
    service.wait_steady()


def kill_and_return(service, index):
    """kill -9 of a node in the middle of the load; it comes back for the last part."""
    with Load([service.proxy.port]) as load:
        time.sleep(2)
        service.cluster.kill(index)
        time.sleep(SECONDS / 2)
        service.cluster.start_node(index)
        time.sleep(max(4, SECONDS / 2 - 2))
    return load


def test_workers_are_killed_every_three_seconds(service):
    with Load([service.proxy.port]) as load:
        end = time.monotonic() + max(SECONDS, 4 * KILL_EVERY_S)
        kills = 0
        while time.monotonic() < end:
            time.sleep(KILL_EVERY_S)
            worker = service.workers[kills % len(service.workers)]
            worker.kill()
            worker.start()
            kills += 1
    check(load, service.applications)
    assert kills >= 4


def test_a_node_that_holds_shards_is_killed(service):
    used = {service.publishing_node(), service.consuming_node()}
    victim = next(index for index in range(CLUSTER_NODES) if index not in used)
    check(kill_and_return(service, victim), service.applications)


def test_the_node_of_the_proxy_is_killed(service):
    home = service.publishing_node()
    load = kill_and_return(service, home)
    check(load, service.applications)
    assert service.publishing_node() != home


def test_all_nodes_are_restarted_one_after_the_other(service):
    with Load([service.proxy.port]) as load:
        time.sleep(1)
        for index in range(CLUSTER_NODES):
            service.cluster.restart(index)
            sleep_until(time.monotonic() + SECONDS / 6)
    check(load, service.applications)
