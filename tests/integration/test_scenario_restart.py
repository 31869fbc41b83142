"""The coordinator is killed after each single action of a change that takes all kinds of actions, and started again:
the end is the same every time, and the messages that flow meanwhile all arrive."""

import pytest

from support.management import part
from support.status import shard_names, wait_ready
from support.traffic import Traffic
from support.waiting import wait_until

CLUSTER_NODES = 1
CLUSTER_STATISTICS_MS = 300
QUICK = ("--statistics-interval", "300ms", "--interval", "200ms")
EXCHANGE = "shard.orders"
LARGE = {"shards-per-node": 3}
SMALL_FOR_HTTP = {"shards-per-node": 2, "http": True}
ALL_KINDS = {"declare-dead-letter-exchange", "declare-drain-exchange", "declare-shard", "mark-draining", "unbind-shard",
             "bind-shard", "unmark-draining", "delete-shard"}
LEAST_ACTIONS, MOST_ACTIONS = 14, 40
OTHER_VHOST, OTHER = "other", "shard.other"


class Change:
    """From three plain shards to two for HTTP; in another vhost, from a shard whose binding anew was interrupted to two
    good ones."""

    def __init__(self, cluster, api):
        self.api = api
        self.large, self.small = (shard_names(cluster.names, EXCHANGE, count) for count in (3, 2))
        self.other = shard_names(cluster.names, OTHER, 2)
        api.put(f"vhosts/{OTHER_VHOST}")
        api.put(f"permissions/{OTHER_VHOST}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
        api.define_stream("other", {"shards-per-node": 2}, r"^shard\.", vhost=OTHER_VHOST)
        api.declare_exchange(OTHER, vhost=OTHER_VHOST)
        api.declare_exchange(EXCHANGE)
        self.define(LARGE)

    def define(self, definition):
        """Applies a definition to the exchange."""
        self.api.define_stream("orders", definition, r"^shard\.")

    def go_back(self, start, traffic):
        """To where the change begins: new shards, and what the change declares is not there."""
        traffic.rest()
        for name in self.api.shards(EXCHANGE):
            self.api.delete(f"queues/%2F/{part(name)}")
        self.define(LARGE)
        program = start()
        wait_ready(program, EXCHANGE, self.large)
        program.terminate()
        for name in ("warren.dead", "warren.draining"):
            self.api.delete_exchange(name)
        self.api.declare_exchange("warren.draining", "direct", OTHER_VHOST)
        self.api.post(f"bindings/{OTHER_VHOST}/e/warren.draining/q/{part(min(self.other))}", {"routing_key": OTHER})
        traffic.resume()
        traffic.wait_confirmed(20)

    def begin(self):
        """Says what is wanted from now on."""
        self.define(SMALL_FOR_HTTP)

    def is_done(self, program):
        """Whether the coordinator has nothing to do any more."""
        try:
            wait_ready(program, EXCHANGE, self.small, 0)
            wait_ready(program, OTHER, self.other, 0, OTHER_VHOST)
            return True
        except AssertionError:
            return False

    def outcome(self):
        """All that is there: shards, their bindings, exchanges of Warren's."""
        queues = {(vhost, name): (queue["node"], queue["type"], queue["durable"], str(sorted(queue["arguments"].items())))
                  for vhost in ("/", OTHER_VHOST) for name, queue in self.api.queues(vhost, "stream: ").items()}
        bindings = sorted((entry["vhost"], entry["source"], entry["destination"], entry["routing_key"])
                          for entry in self.api.get("bindings") if entry["source"] and entry["destination"].startswith("stream: "))
        exchanges = sorted((entry["vhost"], entry["name"]) for entry in self.api.get("exchanges?columns=vhost,name")
                           if entry["name"].startswith("warren."))
        return queues, bindings, exchanges


@pytest.fixture(name="change")
def fixture_change(cluster, clean):
    """The change, at its beginning."""
    return Change(cluster, clean)


def run_to_end(program, change):
    """Waits until the change is made, or the coordinator has ended."""
    wait_until(lambda: not program.running() or change.is_done(program), 30, program.log_tail)


def test_killed_after_any_number_of_actions_it_comes_to_the_same_end(cluster, change, programs):
    def start(**options):
        return programs.coordinator(cluster, *QUICK, **options)
    with Traffic(cluster, EXCHANGE, by_get=True) as traffic:
        change.go_back(start, traffic)
        change.begin()
        program = start()
        run_to_end(program, change)
        expected = change.outcome()
        assert {kind for kind in ALL_KINDS if program.metric("warren_actions_total", kind=kind, outcome="done")} == ALL_KINDS
        program.terminate()
        for number in range(1, MOST_ACTIONS):
            change.go_back(start, traffic)
            change.begin()
            program = start(ready=False, env={"WARREN_TEST_KILL_AFTER_ACTIONS": str(number)})
            run_to_end(program, change)
            if program.running():
                break
            program = start()
            run_to_end(program, change)
            assert change.outcome() == expected, f"killed after {number} actions"
            program.terminate()
        assert LEAST_ACTIONS <= number < MOST_ACTIONS - 1, f"it was killed after up to {number - 1} actions"
        traffic.finish()
