"""Workers, nodes and proxies end under load, three nodes, a worker beside each: no wrong or lost answer, no failure at
all of what may be repeated, and a plain POST is answered once or 502, and never run twice.

WARREN_FAULT_SECONDS (default 12) is how long each scenario breaks things.
"""

import time

import pytest

from ledger import check
from load import Load
from service import SECONDS, Service
from support.http_client import request, wait_serving
from support.waiting import wait_until

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
            time.sleep(SECONDS / 6)
    check(load, service.applications)


def test_a_proxy_is_ended_while_another_takes_its_clients(service):
    second = service.start_proxy()
    proxies = [service.proxy, second]
    with Load([proxy.port for proxy in proxies]) as load:
        for ending, staying in (proxies, proxies[::-1]):
            time.sleep(SECONDS / 6)
            ending.process.terminate()
            wait_until(lambda one=ending: not one.is_ready(), 20, "it says that it drains")
            assert ending.wait(60) == 0, ending.log_tail()
            assert staying.is_ready()
            time.sleep(SECONDS / 6)
            ending.start().wait_ready()
        time.sleep(1)
    check(load, service.applications, plain=(200,))
    second.terminate()


def test_a_memory_alarm_is_set_and_cleared(service):
    with Load([service.proxy.port]) as load:
        time.sleep(1)
        service.cluster.ctl(0, "set_vm_memory_high_watermark", "0")
        try:
            wait_until(lambda: request(service.proxy.port, "GET", "/ready").status == 503, 20, "it says so")
            blocked = time.monotonic()
            time.sleep(SECONDS / 3)
            assert not service.proxy.is_ready()
            cleared = time.monotonic()
        finally:
            service.cluster.ctl(0, "set_vm_memory_high_watermark", "0.4")
        wait_serving(service.proxy.port)
        served = time.monotonic()
        time.sleep(2)
    check(load, service.applications, plain=(200, 503), others=(200, 503))
    refused = [answer for answer in load.answers if answer.status == 503]
    assert {answer.retry_after for answer in refused} == {"1"}
    assert {answer.status for answer in load.answers if blocked <= answer.started < cleared} == {503}
    assert {answer.status for answer in load.answers if answer.started > served} == {200}
