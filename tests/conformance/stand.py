"""Where cases are played: front ends before one logging back end.

warren: proxy, a real broker with one shard, warren-worker. The stream's exchange leads to a fanout exchange, and that
to the shard and to a queue beside it, so that every message can be looked at (docs/adr has such exchanges for stable
placement). Other makes are started by compare.py; they talk to the back end directly.
"""

import time

from backend import PROBE, LoggingBackend
from published import Tap, target_of
from support.amqp import connect
from support.waiting import wait_until

EXCHANGE = "shard.web"
SHARD = f"stream: {EXCHANGE} - test - 0"
COPY = "copies"
SETTLE_S = 5
TIGHT = ["--header-timeout", "800ms", "--body-timeout", "800ms", "--idle-timeout", "900ms", "--max-body-bytes",
         "256KiB"]


def declare(address):
    """Exchange, shard, and a queue that gets a copy of every message."""
    with connect(address) as connection:
        channel = connection.channel()
        channel.exchange_declare("warren.dead", "headers", durable=True)
        channel.exchange_declare(EXCHANGE, "x-consistent-hash", durable=True)
        channel.exchange_declare(SHARD, "fanout", durable=True)
        channel.exchange_bind(SHARD, EXCHANGE, "1")
        for queue in (SHARD, COPY):
            channel.queue_declare(queue, durable=True)
            channel.queue_bind(queue, SHARD)


class Front:
    """A front end of any make in front of the back end. `ports` by name of the set-up."""

    answer_s, close_s = 3, 2  # Longest waits for an answer, and for the end of a connection.

    def __init__(self, name, ports, backend):
        self.name, self.ports, self.backend = name, ports, backend
        self.probes = 0
        self.published = None

    def port(self, setup):
        """Where this set-up listens."""
        return self.ports[setup]

    def probe_request(self):
        """A request that the back end answers and does not log."""
        self.probes += 1
        return b"GET %s-%d HTTP/1.1\r\nHost: a\r\n\r\n" % (PROBE, self.probes)

    def prepare(self, case):
        """Before a case is played."""
        self.backend.answer, self.backend.answer_ends = case.answer, case.answer_ends
        self.backend.requests.clear()

    def close(self):
        """Ends what belongs to it."""
        self.backend.close()

    def settle(self, expected, _case):
        """Waits for what is on its way; returns what the back end has logged since, which is cleared."""
        end = time.monotonic() + 1
        while len(self.backend.requests) < expected and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(0.02)
        seen = list(self.backend.requests)
        self.backend.requests.clear()
        return seen


class Warren(Front):
    """The proxy, with the copies of what it published."""

    answer_s, close_s = 12, 6

    def __init__(self, programs, cluster):
        super().__init__("Warren", {}, LoggingBackend())
        declare(cluster.amqp[0])
        self.proxies = {"usual": programs.proxy(cluster, EXCHANGE), "tight": programs.proxy(cluster, EXCHANGE, *TIGHT)}
        self.ports = {name: proxy.port for name, proxy in self.proxies.items()}
        programs.start("warren-worker", "--stream", EXCHANGE, "--upstream", self.backend.url, "--node", cluster.amqp[0],
                       "--local-node", "test", "--yield-every", "0s")
        self.tap = Tap(cluster.amqp[0], COPY)
        self.published = []  # Messages of the case played last.
        self._looked_at = 0

    def settle(self, expected, case):
        """Exact: a probe follows on the same channel, so the copies before it are all there are."""
        import runner  # pylint: disable=import-outside-toplevel,cyclic-import
        probe = self.probe_request()
        target = probe.split(b" ")[1]
        client = runner.Client(self.port(case.front), ())
        client.socket.sendall(probe)
        client.wait_answers(1)
        client.close()
        wait_until(lambda: any(target_of(one) == target for one in self.tap.messages[self._looked_at:]), SETTLE_S,
                   f"the probe after '{case.name}' is published", 0.002)
        new = self.tap.messages[self._looked_at:]
        self._looked_at += len(new)
        self.published = [one for one in new if not target_of(one).startswith(PROBE)]
        wait_until(lambda: len(self.backend.requests) >= len(self.published), SETTLE_S,
                   "what was published reaches the back end", 0.002)
        seen = list(self.backend.requests)
        self.backend.requests.clear()
        return seen

    def close(self):
        """Ends what is no program."""
        self.tap.close()
        super().close()
