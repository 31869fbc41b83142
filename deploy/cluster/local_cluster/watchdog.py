"""Ends a cluster when the process it belongs to has ended, however that ended.

The watchdog is a process of its own, in a session of its own: it survives the command that started it
and signals sent to that command's terminal.
"""

import os
import sys
import time

from . import processes
from .errors import ClusterError

POLL_S = 0.5


def start(cluster, parent_pid):
    """Starts the watchdog and records it in the cluster's state."""
    parent = processes.identity(parent_pid)
    if parent is None:
        raise ClusterError(f"--with-parent: no process {parent_pid} runs")
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cluster")
    command = [sys.executable, "-B", script, "--dir", cluster.folder, "watch", str(parent["pid"]), str(parent["start"])]
    watchdog = processes.launch(command, {"PATH": "/usr/bin:/bin"}, os.path.join(cluster.folder, "watchdog.log"))
    with cluster.change() as state:
        state["watchdog"] = watchdog


def watch(cluster, parent):
    """Waits for the parent's end, then ends the cluster. Returns too when the cluster is gone."""
    while processes.alive(parent) and cluster.exists():
        time.sleep(POLL_S)
    if cluster.exists():
        cluster.stop()
