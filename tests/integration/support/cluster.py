"""A cluster of real brokers for tests, through deploy/cluster/cluster.

A cluster belongs to the process that started it and ends with it, a kill -9 included.
"""

import json
import os
import shutil
import subprocess
import tempfile

from .ports import REPOSITORY

START_WITHIN_S = 300  # Three brokers take 30 s on two calm processors, and all of them where others need those too.
SCRIPT = os.path.join(REPOSITORY, "deploy", "cluster", "cluster")


class Cluster:
    """`names`, `amqp` (HOST:PORT) and `management` (URLs) are lists in the order of the nodes."""

    def __init__(self, nodes=3, plugins=(), statistics_ms=5000, settings=(), tls=False):
        self.folder = tempfile.mkdtemp(prefix="warren-test-cluster-")
        options = ["--nodes", str(nodes), "--statistics-interval", str(statistics_ms), "--with-parent", str(os.getpid()),
                   "--timeout", str(START_WITHIN_S)]
        options += [part for plugin in plugins for part in ("--plugins", plugin)]
        options += [part for line in settings for part in ("--set", line)]
        options += ["--tls"] if tls else []
        self.command("start", *options)
        self.refresh()

    def command(self, *arguments, timeout=START_WITHIN_S + 60, check=True):
        """Runs the script on this cluster; returns its standard output."""
        result = subprocess.run([SCRIPT, "--dir", self.folder, *arguments], stdin=subprocess.DEVNULL, timeout=timeout,
                                capture_output=True, text=True, check=False)
        if check and result.returncode != 0:
            raise AssertionError(f"cluster {' '.join(arguments)}: exit code {result.returncode}\n{result.stderr}")
        return result.stdout

    def status(self):
        """What `status --json` says."""
        return json.loads(self.command("status", "--json"))

    def refresh(self):
        """Reads the nodes again; join and forget do it themselves."""
        entries = self.status()["nodes"]
        self.names = [entry["name"] for entry in entries]
        self.amqp = [entry["amqp"] for entry in entries]
        self.management = [entry["management"] for entry in entries]
        self.prometheus = [entry["prometheus"] for entry in entries]
        return self

    def kill(self, index):
        """kill -9 of the node at this index."""
        self.command("kill", self.names[index])

    def stop_node(self, index):
        """An orderly stop of one node."""
        self.command("stop-node", self.names[index])

    def start_node(self, index):
        """Starts a killed or stopped node; returns when all see it."""
        self.command("start-node", self.names[index], "--timeout", str(START_WITHIN_S))

    def restart(self, index):
        """Stop and start of one node."""
        self.command("restart", self.names[index], "--timeout", str(START_WITHIN_S))

    def join(self):
        """Adds a node; returns its full name."""
        name = self.command("join", "--timeout", str(START_WITHIN_S)).strip()
        self.refresh()
        return name

    def forget(self, index):
        """Takes a node out of the cluster for good."""
        self.command("forget", self.names[index])
        self.refresh()

    def drain(self, index):
        """Puts one node into maintenance."""
        self.command("drain", self.names[index])

    def revive(self, index):
        """Takes one node out of maintenance."""
        self.command("revive", self.names[index])

    def ctl(self, index, *arguments):
        """rabbitmqctl against one node; returns its standard output."""
        return self.command("ctl", self.names[index], *arguments)

    def start_stopped_nodes(self):
        """Starts whatever a test left down."""
        for index, entry in enumerate(self.status()["nodes"]):
            if not entry["running"]:
                self.start_node(index)

    def log_tails(self, lines=15):
        """The end of each broker's log."""
        texts = []
        for entry in self.status()["nodes"]:
            try:
                with open(entry["log"], encoding="utf-8", errors="replace") as text:
                    texts.append(f"----- {entry['name']}\n" + "\n".join(text.read().splitlines()[-lines:]))
            except OSError:
                texts.append(f"----- {entry['name']}: no log")
        return "\n".join(texts)

    def stop(self):
        """Ends everything."""
        self.command("stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
