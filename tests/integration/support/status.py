"""What the coordinator's REST API says, for tests: streams, shards, conditions, plans."""

import requests

from .management import part
from .waiting import wait_until

HTTP = requests.Session()
HTTP.trust_env = False

# Tests do not wait for the broker's statistics longer than CLUSTER_STATISTICS_MS = 1000 makes necessary.
QUICK = ("--statistics-interval", "1s", "--stall-after", "3s", "--interval", "500ms")


# The stream of the coordinator's own tests: the definition of the original documentation.
DEFINITION = {"local-username": "guest", "shards-per-node": 2, "routing-key": "1234"}
EXCHANGE = "shard.logs_stream"


def get(program, path, status=200):
    """JSON of an endpoint."""
    answer = HTTP.get(f"{program.api}/{path}", timeout=30)
    assert answer.status_code == status, answer.text
    return answer.json()


def stream(program, exchange, vhost="/"):
    """Status of one stream."""
    return get(program, f"streams/{part(vhost)}/{part(exchange)}")


def states(program, exchange):
    """Queue -> state of each shard that the stream has or wants."""
    return {shard["queue"]: shard["state"] for shard in stream(program, exchange)["shards"]}


def conditions(program, exchange):
    """Reason -> message."""
    return {condition["reason"]: condition["message"] for condition in stream(program, exchange)["conditions"]}


def reasons(program, exchange, vhost="/"):
    """Reasons of a stream's conditions."""
    return {condition["reason"] for condition in stream(program, exchange, vhost)["conditions"]}


def wait_condition(program, exchange, reason, timeout=20):
    """Waits for a condition with this reason; returns its message."""
    return wait_until(lambda: conditions(program, exchange).get(reason), timeout,
                      lambda: f"{exchange}: condition {reason}; there are {conditions(program, exchange)}")


def wait_ready(program, exchange, shards, timeout=60, vhost="/"):
    """Waits until the stream is ready, with exactly these shards, all active, and nothing to do or to be said against it;
    but for messages that no consumer of the test takes."""
    def ready():
        seen = stream(program, exchange, vhost)
        told = {entry["reason"] for entry in seen["conditions"] if entry["type"] != "ready"} - {"ShardsUncovered"}
        return (seen["ready"] and not told and not seen["actions"] and
                {shard["queue"]: shard["state"] for shard in seen["shards"]} == dict.fromkeys(shards, "active"))
    wait_until(ready, timeout, lambda: f"{exchange} is ready with {sorted(shards)}: {stream(program, exchange, vhost)}")


def shard_names(nodes, exchange, count, prefix="stream"):
    """Names of `count` shards on each of the nodes."""
    return {f"{prefix}: {exchange} - {node} - {index}" for node in nodes for index in range(count)}


def expected_shards(cluster, exchange=EXCHANGE, count=2):
    """Names of the shards that a stream has on every node, with the node."""
    return {f"stream: {exchange} - {node} - {index}": node for node in cluster.names for index in range(count)}


def assert_six(cluster, api, exchange=EXCHANGE, key="1"):
    """Exactly the six queues, each on its node, bound once with the reduced weight."""
    shards = api.wait_shards(exchange, 6)
    assert {name: queue["node"] for name, queue in shards.items()} == expected_shards(cluster, exchange)
    bindings = api.bindings(exchange)
    assert sorted((entry["destination"], entry["routing_key"]) for entry in bindings) == \
        sorted((name, key) for name in shards)


def once(programs, cluster, *arguments, **options):
    """warren-coordinator --once."""
    urls = [word for url in cluster.management for word in ("--management", url)]
    return programs.run("warren-coordinator", *urls, "--once", *arguments, **options)
