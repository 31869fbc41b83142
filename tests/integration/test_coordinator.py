"""The control plane on a real cluster of three: shards appear where they belong, stay right, and nothing
that users or the network do wrong stops the coordinator or spoils another stream."""

import json
import shutil
import signal

from support import amqp
from support.management import part
from support.ports import free_port
from support.status import DEFINITION, EXCHANGE, assert_six, expected_shards, get, once, reasons, stream
from support.waiting import always, wait_until

CLUSTER_STATISTICS_MS = 1000


def test_six_queues_each_on_its_node_and_bound_once(cluster, clean, programs):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    program = programs.coordinator(cluster)
    clean.declare_exchange(EXCHANGE)
    clean.declare_exchange("unmatched")
    assert_six(cluster, clean)
    wait_until(lambda: stream(program, EXCHANGE)["state"] == "ready", 20)
    assert clean.bindings("unmatched") == []
    assert not clean.shards("unmatched")
    assert {entry["exchange"] for entry in get(program, "streams")["streams"]} == {EXCHANGE}
    assert {shard["wanted_key"] for shard in get(program, "shards")["shards"]} == {"1234"}


def test_ten_thousand_routing_keys_spread_over_all_shards(cluster, clean, programs):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    assert once(programs, cluster).returncode == 0
    shards = clean.wait_shards(EXCHANGE, 6)
    with amqp.connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        for number in range(10_000):
            channel.basic_publish(EXCHANGE, f"key-{number}", b"x")
    counts = {}

    def all_there():
        counts.update({name: amqp.ready_count(cluster.amqp[0], name) for name in shards})
        return sum(counts.values()) == 10_000
    wait_until(all_there, 30, lambda: counts)
    assert min(counts.values()) >= 10_000 / 12 and max(counts.values()) <= 10_000 / 3, counts


def test_random_exchanges_are_sharded_too(cluster, clean, programs):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    clean.declare_exchange("shard.random", "x-random")
    program = programs.coordinator(cluster)
    shards = clean.wait_shards("shard.random", 6)
    assert {name: queue["node"] for name, queue in shards.items()} == expected_shards(cluster, "shard.random")
    wait_until(lambda: stream(program, "shard.random")["ready"], 20)


def test_policies_that_come_later_and_raised_shards_per_node(cluster, clean, programs):
    clean.declare_exchange(EXCHANGE)
    programs.coordinator(cluster)
    always(lambda: not clean.shards(EXCHANGE), 1.5)
    clean.define_stream("my_stream", DEFINITION | {"shards-per-node": 1}, r"^shard\.")
    clean.wait_shards(EXCHANGE, 3)
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    assert_six(cluster, clean)
    clean.define_stream("my_stream", DEFINITION | {"shards-per-node": 1}, r"^shard\.")
    assert clean.wait_shards(EXCHANGE, 3).keys() == expected_shards(cluster, count=1).keys()


def test_http_streams_get_the_dead_letter_exchange(cluster, clean, programs):
    clean.define_stream("web", {"http": True, "queue": {"arguments": {"x-max-length": 7}}}, "^web$")
    clean.declare_exchange("web")
    assert once(programs, cluster).returncode == 0
    shards = clean.wait_shards("web", 3)
    for queue in shards.values():
        assert queue["arguments"]["x-dead-letter-exchange"] == "warren.dead"
        assert queue["arguments"]["x-max-length"] == 7
        assert queue["arguments"]["x-queue-type"] == "classic"
    assert clean.get("exchanges/%2F/warren.dead")["type"] == "headers"


def test_killed_in_the_middle_of_an_apply_nothing_is_there_twice(cluster, clean, programs):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    names = [f"shard.{number}" for number in range(40)]
    for name in names:
        clean.declare_exchange(name)
    for _ in range(3):
        program = programs.coordinator(cluster, ready=False)
        before = len(clean.queues(prefix="stream: "))
        wait_until(lambda count=before: len(clean.queues(prefix="stream: ")) > min(count + 20, 239), 30, interval=0.01)
        program.kill()
    program = programs.coordinator(cluster)
    for name in names:
        shards = clean.wait_shards(name, 6, timeout=60)
        assert {queue: entry["node"] for queue, entry in shards.items()} == expected_shards(cluster, name)
    wait_until(lambda: get(program, "plan")["total"] == 0, 20)
    assert len(clean.queues(prefix="stream: ")) == 240


BAD = {
    "bad.user": ({"local-username": "nobody-knows-me"}, "x-consistent-hash"),
    "bad.key": ({"routing-key": "ten"}, "x-consistent-hash"),
    "bad.kind": ({}, "direct"),
    "bad.zero": ({"shards-per-node": 0}, "x-consistent-hash"),
    "bad.negative": ({"shards-per-node": -1}, "x-consistent-hash"),
    "bad.half": ({"shards-per-node": 1.5}, "x-consistent-hash"),
    "bad.text": ({"shards-per-node": "2"}, "x-consistent-hash"),
    "bad.huge": ({"shards-per-node": 1e9}, "x-consistent-hash"),
    "bad.unknown": ({"shard-per-node": 2}, "x-consistent-hash"),
    "bad.place": ({"placement": "stable"}, "x-random"),
}


# The thing that is wrong, which the stream's own condition has to name.
BAD_WORDS = {
    "bad.user": 'local-username "nobody-knows-me"',
    "bad.key": 'routing-key "ten"',
    "bad.kind": "has type direct",
    "bad.zero": "shards-per-node is 0; it takes an integer from 1 to 1024",
    "bad.negative": "shards-per-node is -1",
    "bad.half": "shards-per-node is 1.5",
    "bad.text": 'shards-per-node is "2"',
    "bad.huge": "shards-per-node is",
    "bad.unknown": "shards-per-node",
    "bad.place": 'placement "stable", which exchange',
}


def wait_problems(program, *words):
    """Waits until the coordinator tells of each as a problem."""
    def problems():
        return json.dumps(get(program, "streams")["problems"])
    wait_until(lambda: all(word in problems() for word in words), 20, problems)


def test_bad_definitions_spoil_their_own_stream_alone(cluster, clean, programs):
    for name, (definition, kind) in BAD.items():
        clean.declare_exchange(name, kind)
        clean.define_stream(name, definition, f"^{name}$".replace(".", r"\."))
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    clean.define_stream("badpattern", DEFINITION, "(")
    clean.define_stream("nowhere", DEFINITION, "^x", vhost="not-there")
    program = programs.coordinator(cluster)
    assert_six(cluster, clean)
    for name in BAD:
        def blocked(name=name):
            return [condition["message"] for condition in stream(program, name)["conditions"] if condition["blocks"]]
        wait_until(lambda told=blocked, words=BAD_WORDS[name]: any(words in message for message in told()), 20, blocked)
        assert not stream(program, name)["ready"], name
        assert not clean.shards(name)
    wait_problems(program, "badpattern", "not-there")
    assert "PlacementNotPossible" in reasons(program, "bad.place")
    since = {condition["reason"]: condition["since"] for condition in stream(program, "bad.kind")["conditions"]}
    generation = stream(program, "bad.kind")["observation"]["generation"]
    wait_until(lambda: stream(program, "bad.kind")["observation"]["generation"] > generation, 20)
    assert since == {condition["reason"]: condition["since"] for condition in stream(program, "bad.kind")["conditions"]}


def test_files_are_a_second_source_and_a_bad_one_spoils_nothing_else(cluster, clean, programs, tmp_path):
    folder = tmp_path / "policies"
    folder.mkdir()
    clean.set_global("stream-definition.my_stream", DEFINITION | {"shards-per-node": 1})
    good = {"stream-definition.my_stream": DEFINITION,
            "stream-policy.%2F.my_stream": {"pattern": r"^shard\.", "definition": {"stream-definition": "my_stream"}}}
    (folder / "10-good.json").write_text(json.dumps(good))
    (folder / "20-half.json").write_text('{"stream-definition.a": {')
    (folder / "30-double.json").write_text('{"stream.http": true, "stream.http": false}')
    (folder / "40-unknown.json").write_text('{"stream-definitions.a": {}}')
    (folder / "50-key.json").write_text('{"stream-definition.b": {"shards": 2}}')
    (folder / "readme.txt").write_text("not for us")
    clean.declare_exchange(EXCHANGE)
    program = programs.coordinator(cluster, "--policies-dir", folder)
    assert_six(cluster, clean)
    wait_problems(program, "20-half.json", "30-double.json", "40-unknown.json", "50-key.json")
    assert any("my_stream" in notice for notice in get(program, "streams")["notices"])
    sources = {entry["name"]: entry["source"] for entry in get(program, "definitions")["definitions"]}
    assert sources["my_stream"].endswith("10-good.json")
    shutil.rmtree(folder)
    wait_problems(program, str(folder))
    assert program.running()


def test_a_queue_with_other_arguments_is_left_alone_and_reported(cluster, clean, programs):
    definition = {"queue": {"arguments": {"x-max-length": 7}}}
    clean.define_stream("my_stream", definition, r"^(shard|other)\.")
    clean.declare_exchange(EXCHANGE)
    clean.declare_exchange("other.one")
    name = f"stream: {EXCHANGE} - {cluster.names[0]} - 0"
    clean.put(f"queues/%2F/{part(name)}", {"durable": True, "arguments": {"x-max-length": 3}})
    program = programs.coordinator(cluster)
    clean.wait_shards("other.one", 3)
    wait_until(lambda: any(shard["state"] == "conflict" for shard in stream(program, EXCHANGE)["shards"]), 20)
    assert clean.shards(EXCHANGE)[name]["arguments"]["x-max-length"] == 3


def test_a_node_whose_port_refuses_is_unreachable_and_the_others_go_on(cluster, clean, programs):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    blocked = f"{cluster.names[2]}=127.0.0.1:{free_port()}"
    program = programs.coordinator(cluster, "--node-address", blocked)
    shards = clean.wait_shards(EXCHANGE, 4)
    assert {queue["node"] for queue in shards.values()} == set(cluster.names[:2])
    def node():
        return next(entry for entry in get(program, "nodes")["nodes"] if entry["name"] == cluster.names[2])
    wait_until(lambda: node()["running"] and not node()["reachable"] and node()["detail"], 20, node)


def test_a_node_that_dies_and_returns(cluster, clean, programs):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    program = programs.coordinator(cluster, "--management", cluster.management[0])
    assert_six(cluster, clean)
    cluster.kill(2)
    wait_until(lambda: program.metric("warren_node_up") == 2, 30)
    wait_until(lambda: sum(s["state"] == "down" for s in stream(program, EXCHANGE)["shards"]) == 2, 30)
    clean.declare_exchange("shard.later")
    clean.wait_shards("shard.later", 4)
    cluster.start_node(2)
    assert_six(cluster, clean)
    clean.wait_shards("shard.later", 6)


def test_a_node_that_joins_gets_its_shards(cluster, clean, programs):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    program = programs.coordinator(cluster)
    assert_six(cluster, clean)
    name = cluster.join()
    shards = clean.wait_shards(EXCHANGE, 8)
    assert {queue for queue, entry in shards.items() if entry["node"] == name} == \
        {f"stream: {EXCHANGE} - {name} - {index}" for index in range(2)}
    program.process.send_signal(signal.SIGTERM)
    assert program.wait() == 0
