"""Several coordinators on one cluster: one leads and acts, the others look, answer and wait. However the leader ends, in the
middle of whatever, another takes over and comes to the same end, and the messages that flow meanwhile all arrive."""

import contextlib
import re
import signal
import subprocess
import time

import pytest
import requests

from support.management import part
from support.ports import free_port
from support.processes import binary, die_with_parent, program_environment, urls
from support.relay import Relay
from support.status import get, shard_names, stream, wait_ready
from support.traffic import Traffic
from support.waiting import wait_until

CLUSTER_NODES = 2
CLUSTER_STATISTICS_MS = 300
QUICK = ("--statistics-interval", "300ms", "--interval", "500ms")
EXCHANGE, NEW = "shard.orders", "shard.new"
LARGE = {"shards-per-node": 2, "routing-key": "2"}
SMALL = {"shards-per-node": 1, "routing-key": "7"}
SOON, TAKE_OVER = 20, 20
KILLED_AFTER = (1, 2, 4, 6, 8, 11)


def role(program):
    """(role, name of the leader) as the REST API has it."""
    observation = get(program, "streams")["observation"]
    return observation["role"], observation["leader"]


def wait_role(program, wanted, timeout=TAKE_OVER):
    """Waits for a role; the metric and /readyz say the same. Returns the leader's name."""
    acts = 1 if wanted in ("leader", "alone") else 0
    wait_until(lambda: role(program)[0] == wanted and program.metric("warren_coordinator_leader") == acts, timeout,
               lambda: f"{wanted}, not {role(program)}:\n{program.log_tail()}")
    return role(program)[1]


def wait_logged(program, pattern):
    """Waits for something in its log: a role is known a moment before it is told there."""
    wait_until(lambda: re.search(pattern, program.log(), re.IGNORECASE), SOON, lambda: f"{pattern}:\n{program.log_tail()}")


def address(program):
    """HOST:PORT of its REST API, which is part of its name."""
    return program.api.removeprefix("http://").removesuffix("/api/v1")


def actions(program):
    """How many actions it has tried."""
    return program.metric("warren_actions_total")


def kinds(program):
    """Kinds of its recent events."""
    return {event["kind"] for event in get(program, "events")["events"]}


@pytest.fixture(name="start")
def fixture_start(cluster, clean, programs):
    """start(*arguments): a coordinator on a cluster with a policy, whose exchanges are the test's."""
    clean.define_stream("orders", LARGE, r"^shard\.")

    def start(*arguments, **options):
        return programs.coordinator(cluster, *QUICK, *arguments, **options)
    return start


@pytest.fixture(name="pair")
def fixture_pair(start):
    """A leader and a follower."""
    leader = start()
    wait_role(leader, "leader")
    follower = start()
    assert address(leader) in wait_role(follower, "follower")
    return leader, follower


def test_one_acts_and_both_answer(cluster, clean, programs, pair):
    leader, follower = pair
    clean.declare_exchange(EXCHANGE)
    shards = shard_names(cluster.names, EXCHANGE, 2)
    for program in pair:
        wait_ready(program, EXCHANGE, shards)
        assert program.is_ready()
        assert get(program, "nodes")["nodes"]
    wait_until(lambda: actions(leader) == 8 and "applied" in kinds(leader), SOON, lambda: (actions(leader), kinds(leader)))
    wait_logged(follower, "INFO.*follows http")
    assert actions(follower) == 0 and "applied" not in kinds(follower)
    assert "stream applied" not in follower.log()
    told = programs.ctl(cluster, "status", "--coordinator", follower.api.removesuffix("/api/v1"), check=True).stdout
    assert "(follower)" in told and f"Led by http://{address(leader)} on " in told, told
    assert f"Led by http://{address(leader)} on " in programs.ctl(cluster, "status", check=True).stdout


def test_what_a_follower_is_asked_to_write_the_leader_does(cluster, clean, pair):
    leader, follower = pair
    clean.declare_exchange(EXCHANGE)
    wait_ready(leader, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2))
    drain = f"{follower.api}/nodes/{part(cluster.names[1])}/drain"
    requests.post(drain, timeout=10).raise_for_status()
    wait_until(lambda: set(clean.shards(EXCHANGE)) == shard_names(cluster.names[:1], EXCHANGE, 2), 20)
    requests.delete(drain, timeout=10).raise_for_status()
    wait_ready(leader, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2))
    assert actions(follower) == 0
    refused = requests.post(f"{follower.api}/reconcile", timeout=10)
    assert refused.status_code == 409 and refused.headers["Content-Type"] == "application/problem+json"
    assert address(leader) in refused.json()["detail"]
    assert requests.post(f"{leader.api}/reconcile", timeout=10).status_code == 202


def test_a_follower_takes_over_from_a_leader_that_is_killed_and_from_one_that_stops(cluster, clean, pair):
    leader, follower = pair
    leader.kill()
    clean.declare_exchange(EXCHANGE)
    clean.wait_shards(EXCHANGE, 4, TAKE_OVER)
    wait_role(follower, "leader")
    leader.start().wait_ready()
    assert address(follower) in wait_role(leader, "follower")
    assert follower.terminate() == 0
    wait_role(leader, "leader")
    clean.declare_exchange(NEW)
    wait_ready(leader, NEW, shard_names(cluster.names, NEW, 2))
    wait_logged(leader, "(?s)follows.*leads(?!.*follows)")


class Change:
    """Weights change, a shard a node is drained and deleted, and a new exchange is sharded."""

    def __init__(self, cluster, api):
        self.cluster, self.api = cluster, api
        # Beside somebody's binding weights are bound as they are written; what goes that way ends in a shard, too.
        api.declare_exchange("aside", "fanout")
        api.declare_exchange(EXCHANGE)
        api.post(f"bindings/%2F/e/{part(EXCHANGE)}/e/aside", {"routing_key": "1"})

    def go_back(self, program):
        """To where it begins."""
        self.api.delete_exchange(NEW)
        for name in self.api.shards(NEW):
            self.api.delete(f"queues/%2F/{part(name)}")
        self.api.define_stream("orders", LARGE, r"^shard\.")
        wait_until(lambda: self._keys() == self._expected(2, "2"), 30, lambda: f"{self._keys()}\n{program.log_tail()}")
        wait_ready(program, EXCHANGE, shard_names(self.cluster.names, EXCHANGE, 2))
        self.api.post(f"bindings/%2F/e/aside/q/{part(min(self.api.shards(EXCHANGE)))}")

    def begin(self):
        """Says what is wanted from now on."""
        self.api.define_stream("orders", SMALL, r"^shard\.")
        self.api.declare_exchange(NEW)

    def wait_end(self, program):
        """Waits until all is as it is wanted, and nothing is left to do."""
        wait_until(lambda: self._keys() == self._expected(1, "7"), 40, lambda: f"{self._keys()}\n{program.log_tail()}")
        for exchange in (EXCHANGE, NEW):
            wait_ready(program, exchange, shard_names(self.cluster.names, exchange, 1))
            assert set(self.api.shards(exchange)) == shard_names(self.cluster.names, exchange, 1)
        assert sorted(entry["destination"] for entry in self.api.bindings(NEW)) == \
            sorted(shard_names(self.cluster.names, NEW, 1))

    def _keys(self):
        return sorted((entry["destination"], entry["routing_key"]) for entry in self.api.bindings(EXCHANGE)
                      if entry["destination"] != "aside")

    def _expected(self, count, key):
        return sorted((name, key) for name in shard_names(self.cluster.names, EXCHANGE, count))


@pytest.fixture(name="change")
def fixture_change(cluster, clean, start):  # pylint: disable=unused-argument
    """The change; the policy of `start` is there."""
    return Change(cluster, clean)


def test_a_leader_killed_in_the_middle_of_any_action_is_followed_by_one_that_ends_it(cluster, change, start):
    successor = start()
    change.go_back(successor)
    killed = 0
    with Traffic(cluster, EXCHANGE, by_get=True) as traffic:
        traffic.wait_confirmed(20)
        for number in KILLED_AFTER:
            change.go_back(successor)
            successor.terminate()
            leader = start(env={"WARREN_TEST_KILL_AFTER_ACTIONS": str(number)})
            wait_role(leader, "leader")
            successor = start()
            wait_role(successor, "follower")
            change.begin()
            change.wait_end(successor)
            killed += 0 if leader.running() else 1
            leader.kill()
            wait_role(successor, "leader")
        assert killed >= len(KILLED_AFTER) - 1, f"{killed} leaders were killed in the middle"
        traffic.finish()


@pytest.fixture(name="behind")
def fixture_behind(cluster, start, relay):
    """A leader whose every AMQP connection goes through a relay, and a follower."""
    relays = [relay(amqp) for amqp in cluster.amqp]
    addresses = [word for name, between in zip(cluster.names, relays) for word in ("--node-address", f"{name}={between.address}")]
    leader = start(*addresses)
    wait_role(leader, "leader")
    follower = start()
    wait_role(follower, "follower")
    return leader, follower, relays


def test_a_leader_that_loses_the_brokers_stops_and_says_so_and_follows_when_it_is_back(cluster, clean, behind):
    leader, follower, relays = behind
    for between in relays:
        between.mode = "cut"
    wait_role(follower, "leader")
    assert wait_role(leader, "seeking") is None
    wait_logged(leader, "WARNING.*does not lead")
    clean.declare_exchange(EXCHANGE)
    wait_ready(follower, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2))
    wait_ready(leader, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2))  # It still looks, and answers.
    for between in relays:
        between.mode = "pass"
    assert address(follower) in wait_role(leader, "follower")
    assert actions(leader) == 0


def test_two_that_both_lead_for_a_while_come_to_the_same_end(cluster, change, behind):
    leader, follower, relays = behind
    change.go_back(leader)
    with Traffic(cluster, EXCHANGE, by_get=True) as traffic:
        traffic.wait_confirmed(20)
        change.begin()
        assert sum(between.half_cut(b"warren-coordinator lease") for between in relays) == 1
        wait_until(lambda: role(leader)[0] == role(follower)[0] == "leader", 15, lambda: (role(leader), role(follower)), 0.02)
        change.wait_end(follower)
        assert address(follower) in wait_role(leader, "follower")
        change.go_back(follower)
        change.begin()
        change.wait_end(leader)
        traffic.finish()


def test_a_leader_that_slept_too_long_does_nothing_more_on_old_knowledge(cluster, clean, pair):
    leader, follower = pair
    clean.declare_exchange(EXCHANGE)
    wait_ready(leader, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2))
    wait_until(lambda: actions(leader) == 8, SOON, lambda: actions(leader))
    leader.process.send_signal(signal.SIGSTOP)
    wait_role(follower, "leader", 40)  # The broker waits for two of its heartbeats, and up to one more.
    clean.define_stream("orders", SMALL, r"^shard\.")
    clean.declare_exchange(NEW)
    leader.process.send_signal(signal.SIGCONT)
    for exchange in (EXCHANGE, NEW):
        wait_ready(follower, exchange, shard_names(cluster.names, exchange, 1))
    assert address(follower) in wait_role(leader, "follower")
    assert actions(leader) == 8, "none more"


def test_what_runs_beside_a_leader_leaves_the_work_to_it(cluster, clean, programs, pair):
    leader, follower = pair
    follower.terminate()
    leader.process.send_signal(signal.SIGSTOP)  # For less time than the broker would notice.
    clean.declare_exchange(EXCHANGE)
    refused = programs.ctl(cluster, "apply", "--timeout", "1s")
    assert refused.returncode == 75 and address(leader) in refused.stderr, refused.stderr
    assert not clean.shards(EXCHANGE)
    command = [binary("warren-coordinator"), *urls(cluster), *QUICK, "--once"]
    # pylint: disable-next=subprocess-popen-preexec-fn,consider-using-with
    once = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=program_environment(), preexec_fn=die_with_parent)
    time.sleep(1)
    assert once.poll() is None and not clean.shards(EXCHANGE)
    leader.process.send_signal(signal.SIGCONT)
    told, log = once.communicate(timeout=90)
    assert once.returncode == 0 and address(leader) in told and " 0 actions done" in told, told + log
    wait_ready(leader, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2))
    assert programs.ctl(cluster, "apply").returncode == 0


def test_a_user_who_may_not_have_the_lease_acts_alone_and_says_so(cluster, clean, start, tmp_path):
    password = tmp_path / "password"
    password.write_text("secret\n")
    clean.put("users/narrow", {"password": "secret", "tags": "policymaker,monitoring"})
    clean.put("permissions/%2F/narrow", {"configure": "^stream: ", "write": "^stream: ", "read": r"^shard\."})
    clean.define_stream("orders", LARGE, r"^shard\.")
    program = start("--user", "narrow", "--password-file", password)
    wait_role(program, "alone")
    clean.declare_exchange(EXCHANGE)
    wait_ready(program, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2))
    observation = get(program, "streams")["observation"]
    assert "warren.lease" in observation["role_reason"] and "second coordinator" in observation["role_reason"]
    wait_logged(program, "WARNING.*acts alone")
    clean.put("permissions/%2F/narrow", {"configure": r"^(stream: |warren\.)", "write": "^stream: ", "read": r"^shard\."})
    wait_role(start("--user", "narrow", "--password-file", password), "leader")
    assert not clean.get("queues/%2F/warren.lease")["durable"]
    clean.delete("users/narrow")


@pytest.mark.parametrize("interval", ["500ms", "1h"])
def test_without_events_a_follower_takes_over_by_looking_or_by_asking(cluster, clean, programs, interval, tmp_path):
    clean.define_stream("orders", LARGE, r"^shard\.")
    password = tmp_path / "password"
    password.write_text("secret\n")
    clean.put("users/deaf", {"password": "secret", "tags": "policymaker,monitoring"})
    clean.put("permissions/%2F/deaf", {"configure": r"^(stream: |warren\.)", "write": "^stream: ", "read": r"^shard\."})
    leader, follower = (programs.coordinator(cluster, "--interval", interval, "--user", "deaf", "--password-file", password)
                        for _ in range(2))
    wait_role(leader, "leader")
    wait_role(follower, "follower")
    assert get(follower, "streams")["observation"]["source"] == "polling"
    clean.declare_exchange(EXCHANGE)
    leader.kill()
    clean.wait_shards(EXCHANGE, 4, TAKE_OVER)
    wait_role(follower, "leader")
    clean.delete("users/deaf")


def test_a_leader_that_sees_nothing_makes_way_for_one_that_does(cluster, clean, programs, relay, start):
    between = relay(cluster.management[0])
    leader = programs.start("warren-coordinator", "--management", between.url, *QUICK, "--listen", f"127.0.0.1:{free_port()}")
    leader.api = f"http://{leader.command[leader.command.index('--listen') + 1]}/api/v1"
    wait_role(leader, "leader")
    follower = start()
    wait_role(follower, "follower")
    between.mode = "cut"
    wait_role(follower, "leader", 40)
    wait_until(lambda: "cannot be observed" in get(leader, "streams")["observation"]["role_reason"], SOON)
    clean.declare_exchange(EXCHANGE)
    wait_ready(follower, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2))
    between.mode = "pass"
    assert address(follower) in wait_role(leader, "follower")


def test_an_ordinary_queue_in_the_leases_place_is_told_of(clean, start):
    clean.put("queues/%2F/warren.lease", {"durable": True})
    program = start()
    wait_until(lambda: "delete_queue warren.lease" in (get(program, "streams")["observation"]["role_reason"] or ""), SOON)
    assert role(program) == ("seeking", None)
    clean.delete("queues/%2F/warren.lease")
    wait_role(program, "leader")


def test_the_lease_outlives_the_node_that_has_it(cluster, clean, pair):
    leader, follower = pair
    clean.declare_exchange(EXCHANGE)
    wait_ready(leader, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2))
    node = cluster.names.index(clean.get("queues/%2F/warren.lease")["node"])
    cluster.kill(node)
    wait_until(lambda: sorted((role(leader)[0], role(follower)[0])) == ["follower", "leader"], 2 * TAKE_OVER,
               lambda: (role(leader), role(follower), leader.log_tail()))
    cluster.start_node(node)
    names = shard_names(cluster.names, EXCHANGE, 2)
    wait_until(lambda: set(clean.shards(EXCHANGE)) == names, 30)
    for program in pair:
        wait_ready(program, EXCHANGE, names)


class SlowRelay(Relay):
    """A relay that can slow down single connections."""

    def slow(self, marker, bytes_per_s):
        """Slows open connections whose client began with something that holds `marker`; returns how many there were."""
        with self._lock:
            slowed = [pair for pair in self._pairs if marker in pair.head]
            for pair in slowed:
                pair.pause_per_byte = 1 / bytes_per_s
        return len(slowed)


@pytest.fixture(name="slow_relays")
def fixture_slow_relays(cluster):
    """One in front of each node."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(SlowRelay(amqp))) for amqp in cluster.amqp]


def test_a_stream_that_nobody_waits_for_says_all_the_same_that_it_was_refused(cluster, clean, start, slow_relays, tmp_path):
    secrets = tmp_path / "credentials.json"
    secrets.touch(0o600)
    secrets.write_text('{"slow": "secret"}')
    clean.put("users/slow", {"password": "secret", "tags": ""})
    clean.put("permissions/%2F/slow", {"configure": "^stream: ", "write": "^stream: ", "read": r"^slow\."})
    clean.define_stream("slow", {"local-username": "slow", "shards-per-node": 1}, r"^slow\.")
    addresses = [word for name, relay in zip(cluster.names, slow_relays) for word in ("--node-address", f"{name}={relay.address}")]
    program = start(*addresses, "--credentials-file", secrets)
    clean.declare_exchange("slow.x")
    wait_ready(program, "slow.x", shard_names(cluster.names, "slow.x", 1))
    assert all(relay.slow(b"secret", 40) for relay in slow_relays)
    clean.put("permissions/%2F/slow", {"configure": "^$", "write": "^$", "read": "^$"})
    clean.declare_exchange("slow.y")  # Each step takes seconds now, and is refused in the end.

    def refused():
        return any(entry["reason"] == "ApplyFailed" and "403" in entry["message"] for entry in stream(program, "slow.y")["conditions"])
    wait_until(refused, 60, program.log_tail)
    clean.delete("users/slow")
