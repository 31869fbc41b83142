"""A cluster of brokers that can be cut apart: each node in a network namespace of its own, joined by a bridge.

Needs root, `ip` and the right to make namespaces (available() says). Addresses are of a private network that exists for
the test alone; nothing else of the machine's network is touched, and close() removes all of it. A cut is a pair of
black-hole routes: packets between two nodes vanish without a word, while clients reach both.
"""

import os
import secrets
import shutil
import subprocess
import tempfile

from support.management import ManagementApi
from support.ports import REPOSITORY  # Puts deploy/cluster on the path.
from support.waiting import wait_until

# pylint: disable-next=wrong-import-order
from local_cluster import node, processes

PLUGINS = "[rabbitmq_management,rabbitmq_consistent_hash_exchange,rabbitmq_random_exchange,rabbitmq_event_exchange]."
NET_TICKTIME_S = 8
assert REPOSITORY


def ip(*arguments, check=True):
    """Runs ip; the completed process."""
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=check, stdin=subprocess.DEVNULL)


def available():
    """Whether namespaces and bridges can be made here."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    name = f"warren-{os.getpid()}-try"
    made = ip("netns", "add", name, check=False).returncode == 0
    if made:
        ip("netns", "del", name, check=False)
        made = ip("link", "add", f"wt{os.getpid()}", "type", "bridge", check=False).returncode == 0
        ip("link", "del", f"wt{os.getpid()}", check=False)
    return made


class NamespaceCluster:
    """Three brokers with cluster_partition_handling = pause_minority. As support.cluster.Cluster: names, amqp, management."""

    def __init__(self, count=3):
        self.folder = tempfile.mkdtemp(prefix="warren-test-namespaces-")
        self.network = f"10.{200 + secrets.randbelow(50)}.{secrets.randbelow(256)}"
        self.tag = secrets.token_hex(2)
        self.addresses = [f"{self.network}.{index + 1}" for index in range(count)]
        self.names = [f"rabbit@{address}" for address in self.addresses]
        self.amqp = [f"{address}:5672" for address in self.addresses]
        self.management = [f"http://{address}:15672" for address in self.addresses]
        self.processes = []
        cookie = os.path.join(self.folder, ".erlang.cookie")
        with open(os.open(cookie, os.O_WRONLY | os.O_CREAT, 0o400), "w", encoding="ascii") as text:
            text.write(secrets.token_hex(20))
        try:
            self._start(count)
        except BaseException:
            self.close()
            raise

    def _start(self, count):
        self._make_network()
        for index in range(count):
            self._launch(index)
            if index == 0:
                self._wait_running(1)
        self._wait_running(count)

    def namespace(self, index):
        """The name of a node's namespace."""
        return f"warren-{self.tag}-{index}"

    def _make_network(self):
        bridge = f"wb{self.tag}"
        ip("link", "add", bridge, "type", "bridge")
        ip("addr", "add", f"{self.network}.254/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for index, address in enumerate(self.addresses):
            space, here, there = self.namespace(index), f"wv{self.tag}{index}", f"we{self.tag}{index}"
            ip("netns", "add", space)
            ip("link", "add", here, "type", "veth", "peer", "name", there)
            ip("link", "set", here, "master", bridge, "up")
            ip("link", "set", there, "netns", space)
            for command in (("addr", "add", f"{address}/24", "dev", there), ("link", "set", there, "up"),
                            ("link", "set", "lo", "up")):
                ip("-n", space, *command)

    def _launch(self, index):
        here = os.path.join(self.folder, str(index))
        os.makedirs(os.path.join(here, "log"))
        lines = ["loopback_users.guest = false", "cluster_partition_handling = pause_minority",
                 "collect_statistics_interval = 1000", "log.console = false",
                 "cluster_formation.peer_discovery_backend = classic_config",
                 "cluster_formation.discovery_retry_limit = 60", "cluster_formation.discovery_retry_interval = 500",
                 "cluster_formation.randomized_startup_delay_range.min = 0",
                 "cluster_formation.randomized_startup_delay_range.max = 0",
                 f"cluster_formation.classic_config.nodes.1 = {self.names[0]}"]
        with open(os.path.join(here, "rabbitmq.conf"), "w", encoding="ascii") as text:
            text.write("\n".join(lines) + "\n")
        with open(os.path.join(here, "enabled_plugins"), "w", encoding="ascii") as text:
            text.write(PLUGINS)
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": self.folder, "LANG": "C.UTF-8",
            "detached": "yes", "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_NODENAME": self.names[index], "RABBITMQ_BASE": here,
            "RABBITMQ_MNESIA_BASE": os.path.join(here, "data"), "RABBITMQ_LOG_BASE": os.path.join(here, "log"),
            "RABBITMQ_CONFIG_FILE": os.path.join(here, "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": os.path.join(here, "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": os.path.join(here, "generated"),
            "RABBITMQ_SCHEMA_DIR": os.path.join(here, "schema"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(here, "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{node.EMULATOR_FLAGS} -kernel net_ticktime {NET_TICKTIME_S}",
        }
        self.processes.append(processes.launch(
            ["/usr/sbin/ip", "netns", "exec", self.namespace(index), f"{node.RABBITMQ_BIN}/rabbitmq-server"], environment,
            os.path.join(here, "log", "console.log"), self.folder))

    def _wait_running(self, count):
        wait_until(lambda: sum(ManagementApi(self.management[0]).nodes().values()) == count, 90,
                   lambda: f"{count} nodes run:\n{self.log_tails()}")

    def routes(self, change, one, other):
        """Adds ("add") or removes ("del") the black holes between two nodes."""
        for here, there in ((one, other), (other, one)):
            ip("-n", self.namespace(here), "route", change, "blackhole", f"{self.addresses[there]}/32")

    def isolate(self, index):
        """Cuts a node off from all others, without a word."""
        for other in range(len(self.names)):
            if other != index:
                self.routes("add", index, other)

    def heal(self, index):
        """Takes the cut back."""
        for other in range(len(self.names)):
            if other != index:
                self.routes("del", index, other)

    def log(self, index):
        """What a broker logged."""
        folder = os.path.join(self.folder, str(index), "log")
        text = ""
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as lines:
                text += lines.read()
        return text

    def log_tails(self, lines=20):
        """The end of each broker's log."""
        return "\n".join(f"----- {name}\n" + "\n".join(self.log(index).splitlines()[-lines:])
                         for index, name in enumerate(self.names))

    def status(self):
        """As Cluster.status(), as far as Service needs it."""
        return {"nodes": [{"name": name, "management": url, "running": True}
                          for name, url in zip(self.names, self.management)]}

    def start_stopped_nodes(self):
        """They are never stopped."""

    def close(self):
        """Ends the brokers and removes namespaces, bridge and files."""
        for process in self.processes + processes.with_home(self.folder):
            processes.kill(process)
        processes.reap()
        for index in range(len(self.names)):
            ip("netns", "del", self.namespace(index), check=False)
        ip("link", "del", f"wb{self.tag}", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
