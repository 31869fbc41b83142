"""What must not run twice, on a shard that has forgotten how to say `redelivered`: a classic queue that held transient
messages when its node stopped (docs/adr/0009-claims.md). Worker and proxy settle between them who may run it."""

import threading

import pytest

from raw_backend import CLOSE, OK, RawBackend, always
from support import amqp
from support.http_client import request, wait_serving
from support.management import ManagementApi
from support.waiting import always as holds, wait_until
from worker_calls import STREAM, Caller, make_shards, shard, status

CLUSTER_NODES = 1


def forgets(address, queue):
    """Whether the broker delivers a message that was given back as if it were new. The queue has no consumer."""
    with amqp.connect(address) as connection:
        channel = connection.channel()
        channel.basic_publish("", queue, b"?")
        wait_until(lambda: channel.queue_declare(queue, passive=True).method.message_count == 1, 20, "it is there")
        first = channel.basic_get(queue)[0]
        channel.basic_nack(first.delivery_tag, requeue=True)
        again = channel.basic_get(queue)[0]
        channel.basic_ack(again.delivery_tag)
        return not again.redelivered


class Application:
    """Notes the paths it is asked for; holds the answers to /held until it is told to go on."""

    def __init__(self):
        self.paths, self.go_on = [], threading.Event()
        self.web = RawBackend(self._serve)

    def _serve(self, asked, connection):
        self.paths.append(asked.path)
        if asked.path == "/held" and not self.go_on.wait(120):
            return CLOSE
        return always(OK)(asked, connection)

    def close(self):
        """Ends it."""
        self.go_on.set()
        self.web.close()


@pytest.fixture(name="application")
def application_fixture():
    """The application of the first worker."""
    made = Application()
    yield made
    made.close()


@pytest.fixture(name="other")
def other_fixture():
    """The application of the worker that takes over."""
    made = Application()
    yield made
    made.close()


@pytest.fixture(name="queue")
def queue_fixture(cluster, clean):
    """The one shard, as new."""
    make_shards(clean, cluster.names)
    return shard(cluster.names[0])


@pytest.fixture(name="forgetful")
def forgetful_fixture(cluster, queue):
    """The one shard, whose node was stopped while transient messages waited in it."""
    with amqp.connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for _ in range(10):
            channel.basic_publish("", queue, b"transient")
    cluster.restart(0)
    api = ManagementApi(cluster.management[0])
    wait_until(lambda: api.get("overview")["queue_totals"].get("messages", 0) == 0, 30, "it is empty")
    if not forgets(cluster.amqp[0], queue):
        pytest.skip("this broker remembers what it delivered")
    return queue


def four_pairs(cluster, programs, application):
    """Starts proxy and worker and asks for a POST and a GET four times; the worker."""
    proxy = programs.proxy(cluster, STREAM)
    worker = programs.worker(cluster, STREAM, application.web.url)
    wait_serving(proxy.port)
    for number in range(4):
        assert request(proxy.port, "POST", f"/post/{number}", body=b"x").status == 200
        assert request(proxy.port, "GET", f"/get/{number}").status == 200
    return worker


def held_post(proxy):
    """A POST in a thread; `answers` gets its status."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(request(proxy.port, "POST", "/held", body=b"x").status))
    thread.start()
    return thread, answers


@pytest.mark.usefixtures("forgetful")
def test_what_a_dead_worker_began_is_not_run_by_the_next_one(cluster, programs, application, other):
    proxy = programs.proxy(cluster, STREAM)
    first = programs.worker(cluster, STREAM, application.web.url)
    wait_serving(proxy.port)
    client, answers = held_post(proxy)
    wait_until(lambda: "/held" in application.paths, 20, "the application has it")
    first.kill()
    second = programs.worker(cluster, STREAM, other.web.url)
    client.join(60)
    assert answers == [502]
    assert "/held" not in other.paths
    assert proxy.metric("warren_proxy_claims_total", answer="granted") == 1
    assert proxy.metric("warren_proxy_claims_total", answer="refused") == 1
    assert request(proxy.port, "POST", "/next", body=b"x").status == 200
    assert other.paths.count("/next") == 1
    assert second.metric("warren_worker_claimed_total") >= 1


@pytest.mark.usefixtures("forgetful")
def test_a_worker_that_saw_the_shard_forget_goes_on_asking(cluster, programs, application):
    worker = four_pairs(cluster, programs, application)
    assert worker.metric("warren_worker_claimed_total") == 4
    wait_until(lambda: "does not mark what it delivers again" in worker.log(), 20, worker.log_tail)
    assert sorted(path for path in application.paths if path != "/") == sorted(
        f"/{kind}/{number}" for kind in ("get", "post") for number in range(4))


@pytest.mark.usefixtures("queue")
def test_a_worker_that_knows_that_the_shard_remembers_asks_no_more(cluster, programs, application):
    worker = four_pairs(cluster, programs, application)
    assert worker.metric("warren_worker_claimed_total") == 1
    assert application.paths.count("/get/0") == 1


def test_what_is_claimed_of_a_caller_that_is_gone_is_not_run(cluster, programs, queue, application):
    caller = Caller(cluster.amqp[0])
    caller.send(queue, "POST", "/gone", headers={":claim": True})
    caller.close()
    worker = programs.worker(cluster, STREAM, application.web.url)
    wait_until(lambda: worker.metric("warren_worker_cancelled_total") == 1, 20, "the claim came back")
    with amqp.connect(cluster.amqp[0]) as connection:
        wait_until(lambda: connection.channel().queue_declare(queue, passive=True).method.message_count == 0, 20, "acked")
    assert "/gone" not in application.paths


def test_what_is_claimed_waits_for_the_grant(cluster, programs, queue, application):
    programs.worker(cluster, STREAM, application.web.url)
    caller = Caller(cluster.amqp[0])
    try:
        token = caller.send(queue, "POST", "/claimed", headers={":claim": True})
        claim = caller.wait_claimed(token)
        holds(lambda: (caller.connection.process_data_events(0.05), "/claimed" not in application.paths)[1], 1.5,
              "it is not run")
        wait_until(lambda: (caller.connection.process_data_events(0.05), len(caller.claims[token]) >= 2)[1], 20, "it asks again")
        assert "/claimed" not in application.paths
        assert {each.headers[":attempt"] for each in caller.claims[token]} == {claim.headers[":attempt"]}
        caller.grant(token)
        caller.wait([token])
        assert status(caller.responses[token][0]) == 200
        assert application.paths.count("/claimed") == 1
    finally:
        caller.close()
