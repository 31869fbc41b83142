"""Three coordinators of one broker for tests of the REST API: one that everybody on the machine may use, one that asks
for a token, one whose broker can misbehave. Started first, the first one leads.
"""

import json

from .openapi import ask, fill
from .ports import free_port
from .relay import Relay
from .waiting import wait_until

EXCHANGE = "shard.logs"
TOKEN = "0123456789abcdef-test"


class Stand:
    """The coordinators, by port, and what stands in paths."""

    def __init__(self, contract, cluster, programs, folder):
        self.contract = contract
        self.node = cluster.names[0]
        files = folder / "policies"
        files.mkdir()
        (files / "file.json").write_text(json.dumps({
            "stream-definition.of_file": {}, "stream-policy.%2F.of_file":
            {"pattern": "^none$", "definition": {"stream-definition": "of_file"}}}))
        secret = folder / "token"
        secret.write_text(TOKEN + "\n")
        secret.chmod(0o600)
        self.open = self.port(programs.coordinator(cluster, "--policies-dir", files))
        wait_until(lambda: ask(self.open, "GET", "/api/v1/nodes").json()["observation"]["role"] == "leader", 20, "it leads")
        token_port = free_port()
        programs.start("warren-coordinator", "--management", cluster.management[0], "--listen", f"0.0.0.0:{token_port}",
                       "--token-file", secret)
        self.token = token_port
        self.relay = Relay(cluster.management[0])
        relay_port = free_port()
        programs.start("warren-coordinator", "--management", self.relay.url, "--listen", f"127.0.0.1:{relay_port}",
                       "--interval", "1h")
        self.relayed = relay_port
        for port, fields in ((self.token, {"Authorization": f"Bearer {TOKEN}"}), (self.relayed, {})):
            wait_until(lambda at=port, sent=fields: ask(at, "GET", "/api/v1/nodes", **sent).json()["observation"]["role"] ==
                       "follower", 20, "it follows")

    @staticmethod
    def port(program):
        """Of its REST API."""
        return int(program.api.rpartition(":")[2].partition("/")[0])

    def names(self, path, name="my_stream"):
        """What stands for {…} in a path."""
        return {"vhost": "/", "exchange": EXCHANGE, "name": self.node if "/nodes/" in path else name}

    def call(self, name, port=None, query="", method=None, named="my_stream", body=None, **fields):
        """An operation as its document exemplifies it, or with something else about it."""
        example, _ = self.contract.example_body(name)
        if example is not None:
            fields.setdefault("Content_Type", "application/json")
        target = fill(name[1], **self.names(name[1], named)) + (f"?{query}" if query else "")
        return ask(port or self.open, method or name[0], target, example if body is None else body, **fields)
