"""What the coordinator's REST API says, for tests: streams, shards, conditions, plans."""

import requests

from .management import part
from .waiting import wait_until

HTTP = requests.Session()
HTTP.trust_env = False

# Tests do not wait for the broker's statistics longer than CLUSTER_STATISTICS_MS = 1000 makes necessary.
QUICK = ("--statistics-interval", "1s", "--stall-after", "3s", "--interval", "500ms")


def get(program, path):
    """JSON of an endpoint."""
    answer = HTTP.get(f"{program.api}/{path}", timeout=10)
    assert answer.status_code == 200, answer.text
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


def wait_condition(program, exchange, reason, timeout=20):
    """Waits for a condition with this reason; returns its message."""
    return wait_until(lambda: conditions(program, exchange).get(reason), timeout,
                      lambda: f"{exchange}: condition {reason}; there are {conditions(program, exchange)}")


def wait_ready(program, exchange, shards, timeout=60, vhost="/"):
    """Waits until the stream is ready, with exactly these shards, all active and nothing to do."""
    def ready():
        seen = stream(program, exchange, vhost)
        return (seen["state"] == "ready" and not seen["actions"] and
                {shard["queue"]: shard["state"] for shard in seen["shards"]} == dict.fromkeys(shards, "active"))
    wait_until(ready, timeout, lambda: f"{exchange} is ready with {sorted(shards)}: {stream(program, exchange, vhost)}")


def shard_names(nodes, exchange, count, prefix="stream"):
    """Names of `count` shards on each of the nodes."""
    return {f"{prefix}: {exchange} - {node} - {index}" for node in nodes for index in range(count)}
