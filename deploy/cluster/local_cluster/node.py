"""One broker of the cluster: its files, its environment, its start and its health.

Everything a node reads or writes lies below its own folder; nothing of /etc/rabbitmq, /var/lib/rabbitmq
or the caller's environment reaches it. All listeners are bound to 127.0.0.1.
"""

import base64
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request

from . import ports, processes, tls
from .errors import ClusterError

RABBITMQ_BIN = "/usr/lib/rabbitmq/bin"
PORT_KINDS = ("amqp", "management", "prometheus", "distribution")
TLS_PORT_KINDS = ("amqps", "management_tls")
# Two cores are shared by many nodes: one scheduler each, and none of them spins while idle.
EMULATOR_FLAGS = "+S 1:1 +SDio 4 +sbwt none +sbwtdcpu none +sbwtdio none"
LOOPBACK_KERNEL = "-kernel inet_dist_use_interface {127,0,0,1}"


def port_kinds(settings):
    """The kinds of ports that a node of such a cluster has."""
    return PORT_KINDS + TLS_PORT_KINDS if settings.get("tls") else PORT_KINDS


def node_folder(folder, name):
    """The folder of one node; `name` is short, as rabbit1."""
    return os.path.join(folder, name)


def log_file(folder, name):
    """The broker's own log."""
    return os.path.join(node_folder(folder, name), "log", f"{name}@localhost.log")


def _base_environment(folder, epmd_port):
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": folder,
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": ports.LOOPBACK,
        "ERL_CRASH_DUMP_SECONDS": "0",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
    }


def server_environment(folder, name, node_ports, epmd_port):
    """The environment of rabbitmq-server."""
    here = node_folder(folder, name)
    return _base_environment(folder, epmd_port) | {
        # Makes the script become the Erlang machine instead of waiting beside it.
        "detached": "yes",
        "RABBITMQ_NODENAME": f"{name}@localhost",
        "RABBITMQ_BASE": here,
        "RABBITMQ_MNESIA_BASE": os.path.join(here, "data"),
        "RABBITMQ_MNESIA_DIR": os.path.join(here, "data", "mnesia"),
        "RABBITMQ_FEATURE_FLAGS_FILE": os.path.join(here, "data", "feature_flags"),
        "RABBITMQ_LOG_BASE": os.path.join(here, "log"),
        "RABBITMQ_PID_FILE": os.path.join(here, "pid"),
        "RABBITMQ_CONFIG_FILE": os.path.join(here, "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": os.path.join(here, "conf.d", "*.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": os.path.join(here, "advanced.config"),
        "RABBITMQ_GENERATED_CONFIG_DIR": os.path.join(here, "generated"),
        "RABBITMQ_SCHEMA_DIR": os.path.join(here, "schema"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(here, "enabled_plugins"),
        "RABBITMQ_DIST_PORT": str(node_ports["distribution"]),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{EMULATOR_FLAGS} {LOOPBACK_KERNEL} -start_epmd false",
    }


def tool_environment(folder, name, epmd_port):
    """The environment of rabbitmqctl and its sisters, aimed at one node."""
    return _base_environment(folder, epmd_port) | {
        "RABBITMQ_NODENAME": f"{name}@localhost",
        "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(node_folder(folder, name), "enabled_plugins"),
        # Port 0 lets the system choose: tools of several clusters may run at once.
        "RABBITMQ_CTL_DIST_PORT_MIN": "0",
        "RABBITMQ_CTL_DIST_PORT_MAX": "0",
        "RABBITMQ_CTL_ERL_ARGS": f"+S 1:1 +sbwt none {LOOPBACK_KERNEL}",
    }


def write_files(folder, name, node_ports, settings, seeds):
    """Writes the node's configuration. `seeds` are the short names of the nodes it joins on first boot."""
    here = node_folder(folder, name)
    for part in ("data", "log", "generated", "schema"):
        os.makedirs(os.path.join(here, part), exist_ok=True)
    address = ports.LOOPBACK
    lines = [
        f"listeners.tcp.1 = {address}:{node_ports['amqp']}",
        f"management.tcp.ip = {address}",
        f"management.tcp.port = {node_ports['management']}",
        f"prometheus.tcp.ip = {address}",
        f"prometheus.tcp.port = {node_ports['prometheus']}",
        f"collect_statistics_interval = {settings['statistics_interval_ms']}",
        "cluster_name = warren-local",
        "log.console = false",
        "log.file.level = info",
        "cluster_formation.peer_discovery_backend = classic_config",
        "cluster_formation.discovery_retry_limit = 60",
        "cluster_formation.discovery_retry_interval = 500",
        "cluster_formation.randomized_startup_delay_range.min = 0",
        "cluster_formation.randomized_startup_delay_range.max = 0",
    ]
    if settings.get("tls"):
        lines += [f"listeners.ssl.1 = {address}:{node_ports['amqps']}", "ssl_options.verify = verify_none",
                  *tls.conf_lines(folder, "ssl_options"), f"management.ssl.ip = {address}",
                  f"management.ssl.port = {node_ports['management_tls']}", *tls.conf_lines(folder, "management.ssl")]
    for index, seed in enumerate(seeds, start=1):
        lines.append(f"cluster_formation.classic_config.nodes.{index} = {seed}@localhost")
    with open(os.path.join(here, "rabbitmq.conf"), "w", encoding="ascii") as conf:
        conf.write("\n".join(lines + settings["extra_config"]) + "\n")
    with open(os.path.join(here, "enabled_plugins"), "w", encoding="ascii") as enabled:
        enabled.write(f"[{','.join(settings['plugins'])}].\n")


def launch(folder, name, node_ports, epmd_port):
    """Starts the broker and returns the identity of its process; does not wait for its health."""
    return processes.launch([f"{RABBITMQ_BIN}/rabbitmq-server"],
                            server_environment(folder, name, node_ports, epmd_port),
                            os.path.join(node_folder(folder, name), "log", "console.log"), folder)


def tool(folder, name, epmd_port, program, arguments, capture=False):
    """Runs rabbitmqctl, rabbitmq-diagnostics, … against one node; returns the completed process."""
    return subprocess.run([f"{RABBITMQ_BIN}/{program}", *arguments], stdin=subprocess.DEVNULL, cwd=folder,
                          env=tool_environment(folder, name, epmd_port), capture_output=capture, text=capture,
                          check=False)


def api(node_ports, path, timeout_s=5):
    """GET on the node's management API as guest; None while it does not answer with JSON."""
    request = urllib.request.Request(f"http://{ports.LOOPBACK}:{node_ports['management']}/api/{path}")
    request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            return json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return None


def peers(node_ports):
    """The full names of the nodes that this node sees running; empty while it is not healthy itself."""
    if not ports.answers(node_ports["amqp"]):
        return set()
    nodes = api(node_ports, "nodes?columns=name,running")
    return {entry["name"] for entry in nodes or [] if entry.get("running")}


def log_tail(folder, name, lines=25):
    """The end of what the node wrote, for messages about a start that failed."""
    for file in (log_file(folder, name), os.path.join(node_folder(folder, name), "log", "console.log")):
        try:
            with open(file, encoding="utf-8", errors="replace") as text:
                tail = text.read().splitlines()[-lines:]
        except OSError:
            continue
        if tail:
            return "\n".join(f"    {line}" for line in tail)
    return "    (it wrote nothing)"


def remove(folder, name):
    """Removes everything the node has on disk."""
    shutil.rmtree(node_folder(folder, name), ignore_errors=True)


def check_installed():
    """Says at once when the broker is not there."""
    for path in (f"{RABBITMQ_BIN}/rabbitmq-server", "/usr/bin/epmd"):
        if not os.access(path, os.X_OK):
            raise ClusterError(f"{path} is missing; install the package rabbitmq-server (deploy/setup.sh does)")
