"""warren-worker and work that takes long: it says where that can be cancelled, and gives up what is. The application is
a bare socket; requests and cancels are published with pika, as a proxy would."""

import select
import socket
import struct
import threading
import time

import pytest

from raw_backend import OK, RawBackend, always
from support import amqp
from support.management import ManagementApi
from support.waiting import always as holds, wait_until
from worker_calls import STREAM, Caller, make_shards, shard, status

CLUSTER_NODES = 1


class Application:
    """Answers /slow only when it is told to, and notes whose connection was closed before."""

    def __init__(self):
        self.release, self.closed = threading.Event(), []
        self.web = RawBackend(self._serve)

    def _serve(self, request, connection):
        while request.path.startswith("/slow") and not self.release.wait(0.02):
            if select.select([connection], [], [], 0)[0]:
                self.closed.append(request.path)
                return "close"
        return always(OK)(request, connection)


@pytest.fixture(scope="module", name="queue")
def queue_fixture(cluster):
    """The one shard."""
    make_shards(ManagementApi(cluster.management[0]), cluster.names)
    return shard(cluster.names[0])


@pytest.fixture(name="application")
def application_fixture():
    """An application that waits."""
    made = Application()
    yield made
    made.release.set()
    made.web.close()


@pytest.fixture(name="caller")
def caller_fixture(cluster):
    """A caller."""
    made = Caller(cluster.amqp[0])
    yield made
    made.close()


def test_accepts_long_work_once_and_answers_it_all_the_same(cluster, programs, application, caller, queue):
    worker = programs.worker(cluster, STREAM, application.web.url, "--accept-after", "1s")  # What is short takes less.
    assert status(caller.ask(queue)) == 200
    token = caller.send(queue, "POST", "/slow")
    accept = caller.wait_accepted(token)
    assert (accept.app_id, accept.correlation_id, bool(accept.reply_to)) == ("warren", token, True)
    other = caller.wait_accepted(caller.send(queue, "POST", "/slow/2"))
    assert other.reply_to == accept.reply_to
    assert other.headers[":attempt"] != accept.headers[":attempt"]
    time.sleep(1.5)
    application.release.set()
    caller.wait([token])
    assert status(caller.responses[token][0]) == 200
    assert len(caller.accepts) == 2 and all(len(each) == 1 for each in caller.accepts.values())
    wait_until(lambda: worker.metric("warren_worker_accepted_total") == 2, 20, "both are counted")
    assert worker.metric("warren_worker_cancelled_total") == 0


def test_closes_the_connection_of_work_that_is_cancelled_and_acks_it(cluster, programs, application, caller, queue):
    worker = programs.worker(cluster, STREAM, application.web.url, "--concurrency", "1", "--accept-after", "50ms")
    token = caller.send(queue, "POST", "/slow")
    caller.wait_accepted(token)
    caller.cancel(token, attempt="another-attempt-0")
    holds(lambda: not application.closed, 0.5, "another attempt is none of its business")
    caller.cancel(token)
    wait_until(lambda: application.closed == ["/slow"], 20, "the application sees its connection closed")
    assert status(caller.ask(queue, path="/next")) == 200, "the place is free again"
    assert token not in caller.responses
    assert worker.metric("warren_worker_cancelled_total") == 1
    assert worker.metric("warren_worker_in_flight") == 0
    assert worker.terminate() == 0
    assert amqp.ready_count(cluster.amqp[0], queue) == 0, "it was acked"


@pytest.mark.usefixtures("queue")
def test_the_application_sees_its_connection_closed_when_the_client_of_the_proxy_goes(cluster, programs, application):
    proxy = programs.proxy(cluster, STREAM)
    worker = programs.worker(cluster, STREAM, application.web.url)
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: site.example\r\n\r\n")
        wait_until(lambda: worker.metric("warren_worker_accepted_total") == 1, 20, "it is accepted")
        # A reset: one that only ends what it sends may still wait for its answer.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(lambda: application.closed == ["/slow"], 20, "it sees the end")
    assert worker.metric("warren_worker_cancelled_total") == 1


def test_never_says_so_when_that_is_turned_off(cluster, programs, application, caller, queue):
    programs.worker(cluster, STREAM, application.web.url, "--accept-after", "0")
    token = caller.send(queue, "POST", "/slow")
    wait_until(lambda: application.web.count("/slow") == 1, 20, "it works")
    time.sleep(0.6)
    application.release.set()
    caller.wait([token])
    assert not caller.accepts


def test_accepts_again_what_is_delivered_again(cluster, programs, application, caller, queue):
    first = programs.worker(cluster, STREAM, application.web.url, "--accept-after", "50ms")
    token = caller.send(queue, "GET", "/slow")
    before = caller.wait_accepted(token)
    first.kill()
    programs.worker(cluster, STREAM, application.web.url, "--accept-after", "50ms")
    wait_until(lambda: (caller.connection.process_data_events(0.05), len(caller.accepts[token]) == 2)[1], 20,
               "the next worker says so too")
    after = caller.accepts[token][-1]
    assert after.reply_to != before.reply_to and after.headers[":attempt"] != before.headers[":attempt"]
    caller.cancel(token)
    wait_until(lambda: application.closed.count("/slow") == 2, 20, "both connections are closed")


def test_goes_on_without_an_inbox_where_it_may_declare_no_queue(cluster, programs, application, caller, queue):
    api = ManagementApi(cluster.management[0])
    api.put("users/noinbox", {"password": "noinbox", "tags": ""})
    api.put("permissions/%2F/noinbox", {"configure": "^$", "write": ".*", "read": ".*"})
    try:
        worker = programs.start("warren-worker", "--stream", STREAM, "--upstream", application.web.url, "--node",
                                cluster.amqp[0], "--local-node", cluster.names[0], "--accept-after", "50ms",
                                "--user", "noinbox", env={"WARREN_PASSWORD": "noinbox"})
        token = caller.send(queue, "POST", "/slow")
        wait_until(lambda: application.web.count("/slow") == 1, 20, "it works")
        time.sleep(0.3)
        application.release.set()
        caller.wait([token])
        assert status(caller.responses[token][0]) == 200
        assert not caller.accepts
        assert status(caller.ask(queue, "POST", "/claimed", headers={":claim": True})) == 200
        assert not caller.claims, "it goes by the broker's mark"
        assert worker.log().count("cannot declare an inbox") == 1
    finally:
        api.delete("users/noinbox")
