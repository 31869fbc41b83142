"""What the coordinator hears of the cluster, it acts on at once; where it hears nothing it polls, and says so.

Coordinators here look by themselves once an hour, so whatever happens sooner came of an event."""

import contextlib
import time

import pika
import pytest

from support import amqp
from support.management import part
from support.ports import free_port
from support.status import HTTP, get, stream
from support.waiting import always, wait_until

CLUSTER_NODES = 2
CLUSTER_STATISTICS_MS = 1000
DEFINITION = {"shards-per-node": 2, "routing-key": "1234"}
EXCHANGE = "shard.orders"
NEVER = ["--interval", "1h", "--statistics-interval", "1s"]
PLUGIN = "rabbitmq_event_exchange"
EVENT_EXCHANGE = "exchanges/%2F/amq.rabbitmq.event"
BURST = 300


def source(program):
    """Where its news comes from, with the reason."""
    observation = get(program, "streams")["observation"]
    return observation["source"], observation["source_reason"]


def hears(program):
    """Whether events are heard, in every interface alike."""
    heard = source(program) == ("events", None)
    assert program.metric("warren_events_connected") == (1 if heard else 0) or not heard
    return heard


def kinds(program):
    """Kinds of its recent events, the newest last."""
    return [event["kind"] for event in get(program, "events")["events"]]


@pytest.fixture(name="listener")
def fixture_listener(cluster, clean, programs):
    """A coordinator that hears events and never looks by itself."""
    clean.define_stream("orders", DEFINITION, r"^shard\.")
    program = programs.coordinator(cluster, *NEVER)
    wait_until(lambda: hears(program), 20, program.log_tail)
    return program


def test_changes_are_acted_on_without_waiting_for_the_interval(cluster, clean, listener):
    clean.declare_exchange(EXCHANGE)
    names = set(clean.wait_shards(EXCHANGE, 4, 20))
    wait_until(lambda: stream(listener, EXCHANGE)["state"] == "ready", 20)
    gone = f"stream: {EXCHANGE} - {cluster.names[1]} - 1"
    clean.delete(f"queues/%2F/{part(gone)}")
    wait_until(lambda: set(clean.wait_shards(EXCHANGE, 4, 20)) == names, 20)
    clean.define_stream("orders", DEFINITION | {"shards-per-node": 3}, r"^shard\.")
    clean.wait_shards(EXCHANGE, 6, 20)
    clean.define_stream("orders", DEFINITION | {"shards-per-node": 1}, r"^shard\.")
    clean.wait_shards(EXCHANGE, 2, 20)
    clean.define_stream("later", DEFINITION, "^later$", vhost="/")
    clean.declare_exchange("later")
    clean.wait_shards("later", 4, 20)
    clean.put("vhosts/elsewhere")
    clean.define_stream("elsewhere", DEFINITION, "^x$", vhost="elsewhere")
    clean.declare_exchange("x", vhost="elsewhere")
    clean.wait_shards("x", 4, 20, vhost="elsewhere")


def test_a_burst_of_exchanges_is_sharded_with_few_looks_at_the_cluster(cluster, clean, listener):
    first = stream_generation(listener)
    started = time.monotonic()
    with amqp.connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        for number in range(BURST):
            channel.exchange_declare(f"shard.{number}", "x-consistent-hash", durable=True)
    wait_until(lambda: len(clean.queues(prefix="stream: ")) == 4 * BURST, 60)
    wait_until(lambda: get(listener, "plan")["total"] == 0, 30)
    for number in (0, BURST // 2, BURST - 1):
        clean.wait_shards(f"shard.{number}", 4, 20)
    took = time.monotonic() - started
    # Rounds that apply something are looks as well; without coalescing each of the exchanges would have some.
    assert stream_generation(listener) - first <= 20 + 8 * took


def stream_generation(program):
    """Observations so far."""
    return get(program, "streams")["observation"]["generation"]


def test_what_does_not_concern_streams_is_not_looked_at(cluster, clean, listener):
    clean.declare_exchange("unmatched")
    wait_until(lambda: listener.metric("warren_events_received_total") > 0, 20)
    generation = stable_generation(listener)
    received = listener.metric("warren_events_received_total")
    with amqp.connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        for _ in range(50):
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queue, "unmatched", "1")
            channel.queue_delete(queue)
    wait_until(lambda: listener.metric("warren_events_received_total") >= received + 150, 20)
    assert stream_generation(listener) == generation


def stable_generation(program):
    """Waits until the coordinator has nothing to look at."""
    last = {"generation": stream_generation(program), "since": time.monotonic()}

    def still():
        now = stream_generation(program)
        if now != last["generation"]:
            last.update(generation=now, since=time.monotonic())
        return time.monotonic() - last["since"] > 3
    wait_until(still, 20)
    return last["generation"]


@contextlib.contextmanager
def without_plugin(cluster, clean):
    """The event exchange's plugin is off on every node meanwhile."""
    for name in cluster.names:
        cluster.command("plugins", name, "disable", PLUGIN)
    wait_until(lambda: not exchange_there(clean), 30)
    try:
        yield
    finally:
        for name in cluster.names:
            cluster.command("plugins", name, "enable", PLUGIN)
        wait_until(lambda: exchange_there(clean), 30)


def exchange_there(clean):
    """Whether the event exchange is declared."""
    return any(entry["name"] == "amq.rabbitmq.event" for entry in clean.get("exchanges/%2F?columns=name"))


def test_without_the_plugin_it_polls_and_says_so_and_listens_once_it_is_there(cluster, clean, programs):
    clean.define_stream("orders", DEFINITION, r"^shard\.")
    with without_plugin(cluster, clean):
        program = programs.coordinator(cluster)
        wait_until(lambda: "rabbitmq_event_exchange" in (source(program)[1] or ""), 20, program.log_tail)
        assert source(program)[0] == "polling"
        assert program.metric("warren_events_connected") == 0
        assert "polling" in ready_text(program)
        clean.declare_exchange(EXCHANGE)
        clean.wait_shards(EXCHANGE, 4, 20)
        assert program.log().count("polling, without events") == 1
    wait_until(lambda: hears(program), 20, program.log_tail)
    assert "hears events" in ready_text(program)
    wait_until(lambda: kinds(program).index("events-lost") < kinds(program).index("events-connected"), 20, lambda: kinds(program))


def ready_text(program):
    """The body of /readyz while it is 200."""
    answer = HTTP.get(f"{program.metrics}/readyz", timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_plugin_that_goes_away_is_noticed(cluster, clean, programs):
    clean.define_stream("orders", DEFINITION, r"^shard\.")
    program = programs.coordinator(cluster)
    wait_until(lambda: hears(program), 20, program.log_tail)
    with without_plugin(cluster, clean):
        wait_until(lambda: source(program)[0] == "polling", 20, program.log_tail)
        clean.declare_exchange(EXCHANGE)
        clean.wait_shards(EXCHANGE, 4, 20)
    wait_until(lambda: hears(program), 20, program.log_tail)


def test_a_lost_connection_is_opened_again_and_what_was_missed_is_seen(clean, listener):
    def connections():
        return [entry for entry in clean.get("connections?columns=name,client_properties")
                if entry.get("client_properties", {}).get("connection_name") == "warren-coordinator events"]
    before = wait_until(connections, 20)
    assert len(before) == 1
    clean.delete(f"connections/{part(before[0]['name'])}")
    clean.declare_exchange(EXCHANGE)
    clean.wait_shards(EXCHANGE, 4, 20)
    wait_until(lambda: hears(listener), 20)
    wait_until(lambda: [entry["name"] for entry in connections()] not in ([], [before[0]["name"]]), 20)
    wait_until(lambda: kinds(listener)[::-1].index("events-connected") < kinds(listener)[::-1].index("events-lost"), 20,
               lambda: kinds(listener))


def test_a_node_that_dies_is_noticed_at_once_and_events_are_heard_from_another(cluster, clean, programs):
    clean.define_stream("orders", DEFINITION, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    urls = ["--management", cluster.management[1]]
    port = free_port()
    program = programs.start("warren-coordinator", *urls, *NEVER, "--listen", f"127.0.0.1:{port}")
    program.api = f"http://127.0.0.1:{port}/api/v1"
    wait_until(lambda: hears(program), 20, program.log_tail)
    clean.wait_shards(EXCHANGE, 4)
    cluster.kill(0)
    wait_until(lambda: sum(shard["state"] == "down" for shard in stream(program, EXCHANGE)["shards"]) == 2, 20,
               program.log_tail)
    wait_until(lambda: hears(program), 20, program.log_tail)
    with amqp.connect(cluster.amqp[1]) as connection:
        connection.channel().exchange_declare("shard.later", "x-consistent-hash", durable=True)
    wait_until(lambda: stream(program, "shard.later")["ready"], 20, program.log_tail)
    wait_until(lambda: {"node-lost", "node-down"} <= set(kinds(program)), 20, lambda: kinds(program))
    cluster.start_node(0)


def test_recent_events_are_listed_newest_last_and_limited(cluster, clean, listener):
    clean.declare_exchange(EXCHANGE)
    clean.wait_shards(EXCHANGE, 4)
    def applied():
        return [event for event in get(listener, "events")["events"]
                if event["kind"] == "applied" and event["exchange"] == EXCHANGE]
    event = wait_until(applied, 20)[0]
    assert event["vhost"] == "/" and "declare-shard 4" in event["message"] and "bind-shard 4" in event["message"]
    everything = get(listener, "events")["events"]
    assert [entry["at"] for entry in everything] == sorted(entry["at"] for entry in everything)
    assert get(listener, "events?limit=1")["events"] == get(listener, "events")["events"][-1:]
    for wrong in ("limit=0x", "limit=-1", "limit=1000001", "newest=1"):
        assert HTTP.get(f"{listener.api}/events?{wrong}", timeout=5).status_code == 400, wrong
    assert cluster.names


def test_a_user_without_permission_on_the_event_exchange_polls(cluster, clean, programs, tmp_path):
    clean.put("users/watcher", {"password": "secret", "tags": "policymaker,monitoring"})
    clean.put("permissions/%2F/watcher", {"configure": "^$", "write": "^$", "read": "^$"})
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    try:
        program = programs.coordinator(cluster, "--user", "watcher", "--password-file", secret)
        wait_until(lambda: "may not listen" in (source(program)[1] or ""), 20, program.log_tail)
        clean.put("permissions/%2F/watcher", {"configure": r"^amq\.gen-", "write": r"^amq\.gen-",
                                              "read": r"^amq\.(gen-|rabbitmq\.event$)"})
        wait_until(lambda: hears(program), 20, program.log_tail)
        assert "secret" not in program.log()
    finally:
        clean.delete("users/watcher")


def test_a_queue_deleted_under_it_is_declared_again(cluster, clean, listener):
    def queue():
        bound = clean.get(EVENT_EXCHANGE + "/bindings/source")
        return {entry["destination"] for entry in bound}
    before = wait_until(queue, 20)
    connection = pika.BlockingConnection(amqp.parameters(cluster.amqp[0]))
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        connection.channel().queue_declare(next(iter(before)), passive=True)  # Exclusive: nobody else may.
    connection.close()
    cluster.ctl(0, "delete_queue", next(iter(before)))
    wait_until(lambda: hears(listener) and queue() and queue() != before, 20, listener.log_tail)
    clean.declare_exchange(EXCHANGE)
    clean.wait_shards(EXCHANGE, 4, 20)
    always(lambda: hears(listener), 1)
