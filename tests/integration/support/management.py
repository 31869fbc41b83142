"""The broker's management API for tests."""

from urllib.parse import quote

import requests

from .waiting import wait_until


def part(text):
    """One path segment."""
    return quote(text, safe="")


class ManagementApi:
    """Calls on one node's API as guest. Anything but a 2xx raises requests.HTTPError."""

    def __init__(self, url, user="guest", password="guest"):
        self.url = f"{url}/api/"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = (user, password)

    def call(self, method, path, body=None):
        """Any call; the JSON of the answer, or None."""
        answer = self.session.request(method, self.url + path, json=body, timeout=20)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def get(self, path):
        """GET."""
        return self.call("GET", path)

    def put(self, path, body=None):
        """PUT."""
        return self.call("PUT", path, {} if body is None else body)

    def post(self, path, body=None):
        """POST."""
        return self.call("POST", path, {} if body is None else body)

    def delete(self, path):
        """DELETE; 404 is success."""
        answer = self.session.delete(self.url + path, timeout=20)
        if answer.status_code != 404:
            answer.raise_for_status()

    def nodes(self):
        """Name -> whether it runs."""
        return {entry["name"]: entry["running"] for entry in self.get("nodes?columns=name,running")}

    def declare_exchange(self, name, kind="x-consistent-hash", vhost="/", **options):
        """A durable exchange."""
        self.put(f"exchanges/{part(vhost)}/{part(name)}", {"type": kind, "durable": True} | options)

    def delete_exchange(self, name, vhost="/"):
        """Deletes an exchange."""
        self.delete(f"exchanges/{part(vhost)}/{part(name)}")

    def queues(self, vhost="/", prefix=""):
        """Queue name -> entry with node (of a quorum queue its leader's), state, messages, arguments, type."""
        found = self.get(f"queues/{part(vhost)}?disable_stats=true&enable_queue_totals=true")
        return {entry["name"]: {"node": entry.get("leader")} | entry for entry in found if entry["name"].startswith(prefix)}

    def shards(self, exchange, vhost="/"):
        """The stream's queues, by name."""
        return self.queues(vhost, f"stream: {exchange} - ")

    def bindings(self, exchange, vhost="/"):
        """Everything bound to the exchange as source: list of entries."""
        return self.get(f"exchanges/{part(vhost)}/{part(exchange)}/bindings/source")

    def message_counts(self, names, vhost="/"):
        """Messages per queue, from the statistics (up to one interval old)."""
        return {name: self.get(f"queues/{part(vhost)}/{part(name)}").get("messages", 0) for name in names}

    def set_global(self, name, value):
        """A global runtime parameter."""
        self.put(f"global-parameters/{part(name)}", {"name": name, "value": value})

    def clear_global(self, name):
        """Removes a global runtime parameter."""
        self.delete(f"global-parameters/{part(name)}")

    def define_stream(self, name, definition, pattern, priority=0, vhost="/"):
        """A stream definition and a policy of the same name that applies it."""
        self.set_global(f"stream-definition.{name}", definition)
        self.set_global(f"stream-policy.{part(vhost)}.{name}",
                        {"pattern": pattern, "priority": priority, "apply-to": "exchanges",
                         "definition": {"stream-definition": name}})

    def wait_shards(self, exchange, count, timeout=30, vhost="/"):
        """Waits until the stream has `count` queues, each bound exactly once; returns them by name."""
        def converged():
            shards = self.shards(exchange, vhost)
            bound = sorted(entry["destination"] for entry in self.bindings(exchange, vhost))
            return shards if len(shards) == count and bound == sorted(shards) else None
        return wait_until(converged, timeout, lambda: f"{exchange}: {count} bound shards; "
                          f"queues {sorted(self.shards(exchange, vhost))}, "
                          f"bound {sorted(e['destination'] for e in self.bindings(exchange, vhost))}")

    def wait_shards_bound(self, exchange, names, timeout=30, vhost="/"):
        """Waits until exactly these queues are bound to the exchange, each once; others may be there."""
        def bound():
            return sorted(entry["destination"] for entry in self.bindings(exchange, vhost))
        wait_until(lambda: bound() == sorted(names), timeout, lambda: f"{exchange}: bound {bound()}, not {sorted(names)}")

    def clean(self):
        """Removes what tests made: global parameters of ours, exchanges, queues, other vhosts."""
        for entry in self.get("global-parameters"):
            if entry["name"].startswith(("stream", "warren")):
                self.clear_global(entry["name"])
        for entry in self.get("vhosts?columns=name"):
            if entry["name"] != "/":
                self.delete(f"vhosts/{part(entry['name'])}")
        for entry in self.get("exchanges/%2F?columns=name"):
            if entry["name"] and not entry["name"].startswith("amq."):
                self.delete_exchange(entry["name"])
        for entry in self.get("queues/%2F?columns=name,exclusive"):
            if not entry.get("exclusive"):
                self.delete(f"queues/%2F/{part(entry['name'])}")
