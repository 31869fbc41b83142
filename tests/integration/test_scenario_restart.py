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
    """From three plain shards to two for HTTP, and, in another vhost, from a marked shard to one that is not."""

    def __init__(self, cluster, api):
        self.api = api
        self.large, self.small = (shard_names(cluster.names, EXCHANGE, count) for count in (3, 2))
        self.other = f"stream: {OTHER} - {cluster.names[0]} - 0"
        api.put(f"vhosts/{OTHER_VHOST}")
        api.put(f"permissions/{OTHER_VHOST}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
        api.define_stream("other", {}, r"^shard\.", vhost=OTHER_VHOST)
        api.declare_exchange(OTHER, vhost=OTHER_VHOST)
        api.declare_exchange(EXCHANGE)
        self.define(LARGE)

    def define(self, definition):
        """Applies a definition to the exchange."""
        self.api.define_stream("orders", definition, r"^shard\.")

    def go_back(self, program):
        """To where the change begins; ends the coordinator."""
        self.define(LARGE)
        wait_ready(program, EXCHANGE, self.large)
        program.terminate()
        for name in ("warren.dead", "warren.draining"):
            self.api.delete_exchange(name)
        self.api.declare_exchange("warren.draining", "direct", OTHER_VHOST)
        self.api.post(f"bindings/{OTHER_VHOST}/e/warren.draining/q/{part(self.other)}", {"routing_key": OTHER})

    def begin(self):
        """Says what is wanted from now on."""
        self.define(SMALL_FOR_HTTP)

    def is_done(self, program):
        """Whether the coordinator has nothing to do any more."""
        try:
            wait_ready(program, EXCHANGE, self.small, 0)
            wait_ready(program, OTHER, {self.other}, 0, OTHER_VHOST)
            return True
        except AssertionError:
            return False

    def outcome(self):
        """All that is there: queues, bindings, exchanges of Warren's."""
        queues = {(vhost, name): (queue["node"], queue["type"], queue["durable"], str(sorted(queue["arguments"].items())))
                  for vhost in ("/", OTHER_VHOST) for name, queue in self.api.queues(vhost).items()}
        bindings = sorted((entry["vhost"], entry["source"], entry["destination"], entry["routing_key"])
                          for entry in self.api.get("bindings") if entry["source"])
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
    program = start()
    wait_ready(program, EXCHANGE, change.large)
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        change.go_back(program)
        change.begin()
        program = start()
        run_to_end(program, change)
        expected = change.outcome()
        assert {kind for kind in ALL_KINDS if program.metric("warren_actions_total", kind=kind, outcome="done")} == ALL_KINDS
        for number in range(1, MOST_ACTIONS):
            change.go_back(program)
            change.begin()
            program = start(ready=False, env={"WARREN_TEST_KILL_AFTER_ACTIONS": str(number)})
            run_to_end(program, change)
            if program.running():
                break
            program = start()
            run_to_end(program, change)
            assert change.outcome() == expected, f"killed after {number} actions"
        assert LEAST_ACTIONS <= number < MOST_ACTIONS - 1, f"it was killed after up to {number - 1} actions"
        traffic.finish()
        assert not traffic.publisher.returned
