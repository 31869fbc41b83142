"""--hash-on of warren-proxy: equal keys meet one shard, whichever proxy and connection they come through, different
keys spread, and what has no key is spread as well. Six shards, one worker that names the shard it took a request from."""

import http.client

import pytest

from support.http_client import Connection, wait_serving
from support.management import ManagementApi
from support.waiting import wait_until

CLUSTER_NODES = 1
EXCHANGE = "shard.web"
SHARDS = 6
KEYS = 48  # That many random keys leave more than two of six shards empty once in a million runs.
SPREAD = 4


@pytest.fixture(scope="module", name="service")
def _service(cluster, module_programs, module_backend):
    """The stream with six shards and a worker for all of them; returns the cluster."""
    define(cluster, module_programs, SHARDS)
    module_programs.worker(cluster, EXCHANGE, module_backend("back").url)
    return cluster


def define(cluster, programs, shards):
    """The stream, with that many shards."""
    api = ManagementApi(cluster.management[0])
    api.define_stream("web", {"shards-per-node": shards, "routing-key": "1", "http": True}, "^shard\\.")
    api.declare_exchange(EXCHANGE)
    programs.ctl(cluster, "apply", check=True)
    api.wait_shards(EXCHANGE, shards)


@pytest.fixture(name="proxy")
def _proxy(service, programs):
    """proxy(hash_on) starts one that serves."""
    def start(hash_on):
        made = programs.proxy(service, EXCHANGE, "--hash-on", hash_on, "--expose-origin")
        wait_serving(made.port)
        return made
    return start


def shard(client, target="/", fields=()):
    """The shard that a request went through."""
    answer = client.request("GET", target, fields)
    assert answer.status == 200
    return answer.value("warren-shard")


def cookie(name, value):
    """A Cookie field among others."""
    return [("Cookie", f"first=1; {name}={value}; last=2")]


FORMS = {
    "path": lambda client, key, turn: shard(client, f"/{key}?turn={turn}"),
    "header:X-Session": lambda client, key, turn: shard(client, f"/{turn}", [("x-session", key)]),
    "cookie:sid": lambda client, key, turn: shard(client, f"/{turn}", cookie("sid", key)),
}


@pytest.mark.parametrize("hash_on", FORMS)
def test_equal_keys_meet_one_shard_and_different_keys_spread(proxy, hash_on):
    ask, found = FORMS[hash_on], {}
    for turn, made in enumerate((proxy(hash_on), proxy(hash_on))):
        for _ in range(2):
            with Connection(made.port) as client:
                for key in range(KEYS):
                    found.setdefault(key, set()).add(ask(client, f"k{key}", turn))
    assert all(len(shards) == 1 for shards in found.values()), found
    assert len(set.union(*found.values())) >= SPREAD, found


def test_a_clients_address_is_a_key(proxy):
    made, found = proxy("client-addr"), {}
    for _ in range(2):
        for number in range(2, 2 + KEYS):  # All of 127.0.0.0/8 is this machine.
            client = http.client.HTTPConnection("127.0.0.1", made.port, 20, (f"127.0.0.{number}", 0))
            client.request("GET", f"/{number}")
            answer = client.getresponse()
            assert answer.status == 200
            found.setdefault(number, set()).add(answer.getheader("Warren-Shard"))
            client.close()
    assert all(len(shards) == 1 for shards in found.values()), found
    assert len(set.union(*found.values())) >= SPREAD, found


@pytest.mark.parametrize("hash_on, fields", [
    ("random", []), ("header:X-Session", []), ("header:X-Session", [("X-Session", "")]), ("cookie:sid", []),
    ("cookie:sid", cookie("SID", "a")), ("cookie:sid", cookie("sid", ""))])
def test_a_request_without_a_key_goes_anywhere(proxy, hash_on, fields):
    with Connection(proxy(hash_on).port) as client:
        found = {shard(client, "/same", fields) for _ in range(KEYS)}
    assert len(found) >= SPREAD, found


def test_a_key_of_any_length_and_any_bytes_is_a_key(proxy):
    keys = ["a" * 255, "a" * 256, "a" * 4000 + "b", "\xe9\xff", "%41"]
    with Connection(proxy("header:X-Session").port) as client:
        for key in keys:
            assert len({shard(client, "/", [("X-Session", key)]) for _ in range(3)}) == 1, key


def test_a_shard_more_takes_its_share_of_the_keys_and_moves_no_other(service, proxy, programs):
    with Connection(proxy("path").port) as client:
        before = {key: shard(client, f"/k{key}") for key in range(KEYS)}
        define(service, programs, SHARDS + 1)
        new = f"stream: {EXCHANGE} - {service.names[0]} - {SHARDS}"
        wait_until(lambda: any(shard(client, f"/k{key}") == new for key in range(KEYS)), 30, "the new shard serves")
        after = {key: shard(client, f"/k{key}") for key in range(KEYS)}
    moved = {key for key in before if before[key] != after[key]}
    assert {after[key] for key in moved} == {new}
    assert len(moved) < KEYS / 2, moved
