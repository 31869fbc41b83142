"""Every shard has a consumer: coordinators hear the consumers of a stream, tell each what to consume, and alarm about what
nobody consumes. The consumers are made with pika, so that the protocol is held to its text."""

import json

import pika
import pytest

from support import amqp
from support.members import Member
from support.status import conditions, get, shard_names, stream, wait_condition, wait_ready
from support.waiting import always, wait_until

CLUSTER_NODES = 2
CLUSTER_STATISTICS_MS = 500
QUICK = ("--statistics-interval", "500ms", "--interval", "500ms")
EXCHANGE = "shard.orders"
SOON, TAKE_OVER = 20, 20
MOST_OF_VHOST = 10_000  # Consumers that a coordinator keeps account of.
INBOXES = 10  # Of many consumers; the last one speaks for most of them, as a gateway's does.


@pytest.fixture(name="member")
def fixture_member():
    """member(address, instance, …) is a consumer; all of them end with the test."""
    made = []

    def make(address, instance, exchange=EXCHANGE, **options):
        made.append(Member(address, exchange, instance, **options))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture(name="shards")
def fixture_shards(cluster, clean):
    """A stream with two shards on each node; their names by node."""
    clean.define_stream("orders", {"shards-per-node": 2}, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    return {node: shard_names([node], EXCHANGE, 2) for node in cluster.names}


@pytest.fixture(name="start")
def fixture_start(cluster, programs, shards):  # pylint: disable=unused-argument
    """start(*arguments): a coordinator of the cluster with the stream."""
    def start(*arguments, **options):
        return programs.coordinator(cluster, *QUICK, *arguments, **options)
    return start


@pytest.fixture(name="user")
def fixture_user(cluster, clean, programs, shards, tmp_path):
    """user(configure, write, read): a coordinator as a user of its own with these permissions in vhost /. It declares
    nothing there: the shards are there already."""
    started = programs.coordinator(cluster, *QUICK)
    wait_ready(started, EXCHANGE, every(shards))
    started.terminate()
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text("d\n")

    def run(configure, write, read):
        clean.put("users/deaf", {"password": "d", "tags": "policymaker,monitoring"})
        clean.put("permissions/%2F/deaf", {"configure": configure, "write": write, "read": read})
        return programs.coordinator(cluster, *QUICK, "--user", "deaf", "--password-file", password)
    yield run
    clean.delete("users/deaf")


def every(shards):
    """All names."""
    return set().union(*shards.values())


def listed(program, **filters):
    """GET /assignments: instance -> entry."""
    query = "&".join(f"{key}={value}" for key, value in filters.items())
    return {entry["instance"]: entry for entry in get(program, f"assignments?{query}")["assignments"]}


def wait_shares(members, wanted, timeout=SOON):
    """Waits until the members are told just these shards."""
    wait_until(lambda: [member.shards for member in members] == list(wanted), timeout,
               lambda: f"{[member.assignment for member in members]} is not {wanted}")


def test_each_consumer_is_told_its_node_its_shards_and_what_nobody_else_covers(cluster, shards, start, member, programs):
    program = start()
    wait_ready(program, EXCHANGE, every(shards))
    first, second = (cluster.names[i] for i in (0, 1))
    one = member(cluster.amqp[0], "w1")
    told = one.wait_told()
    assert told["node"] == first and told["instance"] == "w1" and told["exchange"] == EXCHANGE
    assert set(told["shards"]) == every(shards) and set(told["local"]) == shards[first]
    assert set(told["shards"][:2]) == shards[first], "local ones come first"
    two = member(cluster.amqp[1], "w2")
    wait_shares((one, two), (shards[first], shards[second]))
    assert two.assignment["node"] == second
    assert (one.assignment["term"], one.assignment["sequence"]) > (told["term"], told["sequence"])
    three = member(cluster.amqp[1], "w3")
    wait_shares((one, two, three), (shards[first], shards[second], shards[second]))
    entries = listed(program)
    assert set(entries) == {"w1", "w2", "w3"}
    assert entries["w1"]["node"] == first and entries["w1"]["local"] == 2 and set(entries["w1"]["shards"]) == shards[first]
    assert set(listed(program, vhost="%2F", exchange=EXCHANGE, node=second)) == {"w2", "w3"}
    assert not listed(program, exchange="other")
    wait_until(lambda: program.metric("warren_consumers", vhost="/", exchange=EXCHANGE) == 3, SOON)
    ask = ("list_assignments", "--coordinator", program.api.removesuffix("/api/v1"))
    rows = json.loads(programs.ctl(cluster, "--formatter", "json", *ask, EXCHANGE, check=True).stdout)
    assert [(row["instance"], row["node"], row["shards"], row["local"]) for row in rows] == \
        [("w1", first, 2, 2), ("w2", second, 2, 2), ("w3", second, 2, 2)]
    assert all(row["queues"] == entries[row["instance"]]["shards"] and row["since"] <= row["last_seen"] for row in rows)
    table = programs.ctl(cluster, *ask, check=True).stdout
    assert table.startswith("vhost ") and table.count("\n") == 4 and "w2" in table and "stream: " not in table
    assert len(programs.ctl(cluster, "--formatter", "csv", *ask, check=True).stdout.splitlines()) == 4
    assert "No consumers." in programs.ctl(cluster, *ask, "shard.none", check=True).stdout


def test_whoever_leaves_or_is_lost_is_followed_by_others_at_once(cluster, shards, start, member):
    program = start()
    wait_ready(program, EXCHANGE, every(shards))
    one, two = member(cluster.amqp[0], "w1"), member(cluster.amqp[1], "w2")
    three = member(cluster.amqp[1], "w3")
    halves = [shards[name] for name in cluster.names]
    wait_shares((one, two, three), (*halves, halves[1]))
    three.leave()
    two.die()
    wait_shares([one], [every(shards)])
    wait_until(lambda: set(listed(program)) == {"w1"}, SOON)
    again = member(cluster.amqp[1], "w1")  # The same instance, connected anew: in its own place, not beside it.
    one.die()
    again.wait_told(lambda told: told["node"] == cluster.names[1] and set(told["shards"]) == every(shards))
    wait_until(lambda: len(listed(program)) == 1, SOON)


def test_a_follower_goes_on_where_the_leader_ended(cluster, shards, start, member):
    leader = start()
    wait_ready(leader, EXCHANGE, every(shards))
    follower = start()
    members = [member(address, f"w{number}", every=3) for number, address in enumerate(cluster.amqp)]
    halves = [shards[name] for name in cluster.names]
    wait_shares(members, halves)
    wait_until(lambda: set(listed(follower)) == set(listed(leader)) == {"w0", "w1"}, SOON)
    wait_until(lambda: all(set(listed(follower)[f"w{i}"]["shards"]) == halves[i] for i in (0, 1)), SOON)
    term = members[0].assignment["term"]
    assert all(entry["term"] == term for one in members for entry in one.assignments), "the follower is silent"
    leader.kill()
    for one in members:
        one.wait_told(lambda told: told["term"] > term, TAKE_OVER)
    wait_shares(members, halves)
    assert not any(one.returned for one in members), "somebody heard every hello"
    moved = [entry for one, half in zip(members, halves) for entry in one.assignments[1:]
             if entry["term"] > term and set(entry["shards"]) != half]
    assert not moved, moved


def test_without_events_a_loss_is_found_by_what_comes_back(cluster, shards, user, member):
    program = user("^(stream: |warren\\.)", "^(stream: |warren\\.|amq\\.default$)", "^(stream: |warren\\.|shard\\.)")
    wait_ready(program, EXCHANGE, every(shards))
    # The shards are there from before: it may be ready before it leads.
    wait_until(lambda: get(program, "streams")["observation"]["role"] == "leader", TAKE_OVER)
    assert get(program, "streams")["observation"]["source"] == "polling"
    members = [member(address, f"w{number}") for number, address in enumerate(cluster.amqp)]
    wait_shares(members, [shards[name] for name in cluster.names])
    members[1].die()
    wait_shares(members[:1], [every(shards)])


@pytest.mark.parametrize("at_once", [1000])
def test_nonsense_disturbs_nobody(cluster, shards, start, member, at_once):
    program = start()
    wait_ready(program, EXCHANGE, every(shards))
    one = member(cluster.amqp[0], "w1")
    one.wait_told()
    hello = {"exchange": EXCHANGE, "instance": "x", "kind": "worker", "holds": []}
    with amqp.connect(cluster.amqp[1]) as connection:
        channel = connection.channel()
        inbox = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_declare("mine", durable=True)
        properties = pika.BasicProperties(type="warren.hello", reply_to=inbox)
        for body in (b"", b"{", b"\xff\xfe", b"[]", b"null", b"7", b"[" * 100_000, b'{"a":' * 50_000, b"x" * 3_000_000,
                     json.dumps(hello | {"instance": ""}), json.dumps(hello | {"instance": 7}),
                     json.dumps(hello | {"exchange": "e" * 300}), json.dumps(hello | {"holds": "q"}),
                     json.dumps(hello | {"holds": [1, None]}), json.dumps(hello | {"holds": ["q"] * 20_000}),
                     json.dumps({"exchange": EXCHANGE}), json.dumps({"instance": "y"})):
            channel.basic_publish("warren.control", "hello", body, properties)
        for odd in (pika.BasicProperties(), pika.BasicProperties(type="warren.hello"),
                    pika.BasicProperties(type="warren.hello", reply_to="mine"),
                    pika.BasicProperties(type="warren.hello", reply_to="there.is.none"),
                    pika.BasicProperties(type="warren.other", reply_to=inbox),
                    pika.BasicProperties(type="warren.bye", reply_to=inbox)):
            channel.basic_publish("warren.control", "hello", json.dumps(hello | {"instance": "w1-odd"}), odd)
        channel.basic_publish("warren.control", "hello", json.dumps(hello | {"instance": "w1"}),
                              pika.BasicProperties(type="warren.bye", reply_to=inbox))  # A bye of somebody else.
        inboxes = [channel.queue_declare("", exclusive=True).method.queue for _ in range(INBOXES)]
        for number in range(at_once):
            channel.basic_publish("warren.control", "hello", json.dumps(hello | {"instance": f"many-{number:04}"}),
                                  pika.BasicProperties(type="warren.hello", reply_to=inboxes[min(number, INBOXES - 1)]))
        wait_until(lambda: len(listed(program)) == at_once + 1, 20, lambda: f"{sorted(listed(program))[:9]}\n{program.log_tail()}")
        entries = listed(program, limit=5)
        assert len(entries) == 5 and get(program, "assignments?limit=5")["total"] == at_once + 1
        assert channel.queue_declare("mine", passive=True).method.message_count == 0, "nothing is sent to others' queues"
        channel.queue_delete("mine")
        two = member(cluster.amqp[1], "w2")
        two.wait_told()
    wait_until(lambda: set(listed(program)) == {"w1", "w2"}, SOON)
    wait_shares((one, two), [shards[name] for name in cluster.names])
    assert program.running() and program.log().count("is of no use") < 10, program.log_tail()
    assert get(program, "assignments")["notices"] == []


def test_whoever_is_too_much_is_told_of_in_a_notice_until_there_is_room(cluster, shards, start):
    program = start()
    wait_ready(program, EXCHANGE, every(shards))

    def notices():
        return get(program, "assignments?limit=1")["notices"]
    with amqp.connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        inbox = channel.queue_declare("", exclusive=True).method.queue
        properties = pika.BasicProperties(type="warren.hello", reply_to=inbox)
        for number in range(MOST_OF_VHOST + 1):
            hello = {"exchange": EXCHANGE, "instance": f"many-{number:05}", "kind": "gateway", "holds": []}
            channel.basic_publish("warren.control", "hello", json.dumps(hello), properties)
        wait_until(lambda: "in vhost '/'" in "".join(notices()), 60, lambda: f"{notices()}\n{program.log_tail()}")
        assert get(program, "assignments?limit=1")["total"] == MOST_OF_VHOST
        wait_until(lambda: notices()[0] in get(program, "streams")["notices"], SOON)
    wait_until(lambda: not notices() and not get(program, "streams")["notices"], 60, lambda: f"{notices()}\n{program.log_tail()}")


def test_a_shard_that_nobody_consumes_is_alarmed_and_a_stream_scaled_to_zero_is_not(cluster, shards, start, member,
                                                                                        programs):
    program = start()
    wait_ready(program, EXCHANGE, every(shards))
    wait_condition(program, EXCHANGE, "NoConsumers")
    assert stream(program, EXCHANGE)["state"] == "ready"
    metric = {"vhost": "/", "exchange": EXCHANGE}
    wait_until(lambda: program.metric("warren_shards_uncovered", **metric) == 4, SOON)
    left_out = member(cluster.amqp[0], "w1", follows=False)
    left_out.wait_told()
    with amqp.connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        for queue in shards[cluster.names[0]]:
            channel.basic_consume(queue, lambda *_: None)
        message = wait_condition(program, EXCHANGE, "ShardsUncovered")
        assert all(queue in message for queue in shards[cluster.names[1]]), message
        # Of the two consumers one may have been seen before the other.
        wait_until(lambda: {entry["queue"] for entry in get(program, "assignments")["uncovered"]} == shards[cluster.names[1]],
                   SOON, lambda: get(program, "assignments")["uncovered"])
        assert stream(program, EXCHANGE)["state"] == "degraded" and stream(program, EXCHANGE)["ready"]
        wait_until(lambda: program.metric("warren_shards_uncovered", **metric) == 2, SOON)
        warned = programs.ctl(cluster, "list_assignments", "--coordinator", program.api.removesuffix("/api/v1"), check=True).stderr
        assert warned.count("nobody consumes shard") == 2, warned
        left_out.leave()
        member(cluster.amqp[1], "w2").wait_told()
        wait_until(lambda: stream(program, EXCHANGE)["state"] == "ready", SOON, lambda: conditions(program, EXCHANGE))
        wait_until(lambda: program.metric("warren_shards_uncovered", **metric) == 0, SOON)

        def kinds():
            return {event["kind"] for event in get(program, f"events?exchange={EXCHANGE}")["events"]}
        wait_until(lambda: {"condition", "condition-over", "consumers"} <= kinds(), SOON, kinds)


def test_where_the_coordinator_may_not_listen_it_says_what_it_needs_and_goes_on_elsewhere(cluster, clean, user, member):
    own = dict.fromkeys(("configure", "read"), r"^warren\.control") | {"write": r"^(warren\.control|amq\.default$)"}
    clean.put("vhosts/other")
    clean.put("permissions/other/guest", dict.fromkeys(("configure", "write", "read"), ".*"))
    try:
        program = user("^$", "^$", "^$")
        clean.put("permissions/other/deaf", dict.fromkeys(("configure", "write", "read"), "^(stream: |warren|shard|amq.default)"))
        clean.define_stream("other", {"shards-per-node": 1}, r"^shard\.", vhost="other")
        clean.declare_exchange("shard.other", vhost="other")
        notice = wait_until(lambda: get(program, "assignments")["notices"], SOON, program.log_tail)
        assert len(notice) == 1 and "vhost '/'" in notice[0] and "warren\\.control" in notice[0], notice
        wait_until(lambda: notice[0] in get(program, "streams")["notices"], SOON)
        lone = member(cluster.amqp[0], "w1")
        there = member(cluster.amqp[0], "w1", "shard.other", vhost="other")
        assert there.wait_told(timeout=SOON)["shards"]
        always(lambda: not lone.assignments, 1)
        wait_until(lambda: lone.returned > 0, SOON)
        clean.put("permissions/%2F/deaf", own)  # Just what the notice says.
        lone.wait_told(timeout=25)
        wait_until(lambda: not get(program, "assignments")["notices"], SOON)
    finally:
        clean.delete("vhosts/other")
