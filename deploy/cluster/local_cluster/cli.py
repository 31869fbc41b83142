"""The command line of `cluster`: reads arguments, calls Cluster, prints."""

import argparse
import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile

from . import node, ports, watchdog
from .cluster import Cluster
from .errors import ClusterError

PLUGINS = ["rabbitmq_management", "rabbitmq_consistent_hash_exchange", "rabbitmq_random_exchange",
           "rabbitmq_event_exchange", "rabbitmq_prometheus"]
DEFAULT_TIMEOUT_S = 300  # Three nodes take 30 s on two calm processors; a node that ends is told of at once.
PR_SET_PDEATHSIG = 1
USAGE_EXIT, COMMAND_MISSING_EXIT = 64, 127


class Interrupted(Exception):
    """SIGTERM, SIGINT or SIGHUP arrived; turned into an exception so that `run` stops the cluster."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


class Parser(argparse.ArgumentParser):
    """Usage errors exit with 64, as every program of the project does."""

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(USAGE_EXIT, f"{self.prog}: {message}\n")


def default_folder():
    """$WARREN_TEST_CLUSTER_DIR, or one folder per user below the temporary directory."""
    return os.environ.get("WARREN_TEST_CLUSTER_DIR") or os.path.join(tempfile.gettempdir(), f"warren-cluster-{os.getuid()}")


def _add_start_options(parser):
    parser.add_argument("--nodes", type=int, default=3, metavar="N", help="number of nodes (3)")
    parser.add_argument("--plugins", action="append", default=[], metavar="NAME[,NAME…]",
                        help="plugins to enable beside " + ", ".join(PLUGINS))
    parser.add_argument("--base-port", type=int, default=0, metavar="PORT",
                        help="epmd gets PORT, node i gets PORT+10i (AMQP), +1 (management), +2 (Prometheus), "
                             "+3 (distribution), +4 and +5 (AMQP and management over TLS); without it every port is "
                             "any free one")
    parser.add_argument("--statistics-interval", type=int, default=5000, metavar="MS",
                        help="how often the broker refreshes its statistics (5000)")
    parser.add_argument("--tls", action="store_true",
                        help="AMQPS and HTTPS management listeners beside the plain ones, with certificates of an authority "
                             "of the cluster's own")
    parser.add_argument("--set", action="append", default=[], metavar="'KEY = VALUE'", help="a line for rabbitmq.conf")
    _add_timeout(parser)


def _add_timeout(parser):
    parser.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT_S, metavar="S",
                        help=f"give up after S seconds ({DEFAULT_TIMEOUT_S})")


def make_parser():
    """The whole grammar."""
    parser = Parser(prog="cluster", description="A local RabbitMQ cluster on 127.0.0.1.",
                    epilog="NODE is rabbit2, rabbit2@localhost or 2.")
    parser.add_argument("--dir", default=default_folder(), help="the cluster's folder (%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    def command(name, text, **options):
        sub = commands.add_parser(name, help=text, description=text, **options)
        sub.add_argument("--dir", default=argparse.SUPPRESS, help="the cluster's folder")
        return sub

    start = command("start", "start a cluster, or one that was stopped with --keep, and wait until it is healthy")
    _add_start_options(start)
    start.add_argument("--with-parent", type=int, metavar="PID", help="stop the cluster when process PID ends")
    stop = command("stop", "end the cluster and remove its folder")
    stop.add_argument("--keep", action="store_true", help="stop in order and keep the data")
    for name, text in (("kill", "kill -9 a node"), ("stop-node", "stop a node in order"),
                       ("forget", "end a node, take it out of the cluster, remove its data"),
                       ("drain", "put a node into maintenance: it runs on, its listeners and client connections close"),
                       ("revive", "take a node out of maintenance")):
        command(name, text).add_argument("node", metavar="NODE")
    for name, text in (("start-node", "start a node that was killed or stopped"), ("restart", "stop and start a node")):
        sub = command(name, text)
        sub.add_argument("node", metavar="NODE")
        _add_timeout(sub)
    _add_timeout(command("join", "add a node; prints its name"))
    command("status", "nodes, processes, ports, addresses").add_argument("--json", action="store_true")
    command("env", "addresses as shell exports: eval \"$(cluster env)\" aims our programs at the cluster").add_argument("--json", action="store_true")
    for name, program in (("ctl", "rabbitmqctl"), ("diagnostics", "rabbitmq-diagnostics"),
                          ("plugins", "rabbitmq-plugins")):
        sub = command(name, f"{program} against one node")
        sub.add_argument("node", metavar="NODE")
        sub.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT")
    run = command("run", "start a cluster, run a command with its addresses in the environment, stop the cluster")
    _add_start_options(run)
    run.add_argument("program", nargs=argparse.REMAINDER, metavar="-- PROGRAM ARGUMENT…")
    watch = commands.add_parser("watch")
    watch.add_argument("pid", type=int)
    watch.add_argument("start", type=int)
    return parser


def _settings(options):
    if not 1 <= options.nodes <= 50:
        raise ClusterError(f"--nodes {options.nodes}: a local cluster has 1 to 50 nodes")
    if options.base_port and not 1024 <= options.base_port <= 65000:
        raise ClusterError(f"--base-port {options.base_port}: it has to be between 1024 and 65000")
    extra = [name for group in options.plugins for name in group.split(",") if name]
    return {"nodes": options.nodes, "plugins": list(dict.fromkeys(PLUGINS + extra)), "base_port": options.base_port,
            "statistics_interval_ms": options.statistics_interval, "extra_config": options.set, "tls": options.tls}


def start(cluster, options, parent_pid):
    """Starts a new or a kept cluster; one that fails to start is removed again, its log shown."""
    is_new = not cluster.exists()
    if is_new:
        if os.path.isdir(cluster.folder) and os.listdir(cluster.folder):
            raise ClusterError(f"{cluster.folder} is not empty and holds no cluster; name another folder with --dir")
        cluster.create(_settings(options))
    else:
        cluster.reopen()
    try:
        if parent_pid:
            watchdog.start(cluster, parent_pid)
        cluster.start_all(options.timeout)
    except BaseException:
        cluster.stop(keep=not is_new)
        raise


def _die_with_parent():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_for(child, received):
    """The exit code of the child, unless a signal comes: one that comes in the wrong moment raises nothing, so it is
    looked at as well."""
    while True:
        try:
            return child.wait(0.5)
        except subprocess.TimeoutExpired:
            if received:
                raise Interrupted(received[0]) from None


def run(options):
    """Start, command, stop, whatever happens in between. Returns the command's exit code."""
    program = options.program[1:] if options.program[:1] == ["--"] else options.program
    if not program:
        raise ClusterError("run: say what to run, as in `cluster run --nodes 1 -- ./my_test`")
    received = []

    def interrupt(number, _frame):
        received.append(number)
        raise Interrupted(number)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupt)
    ports.reserve()
    cluster = Cluster(tempfile.mkdtemp(prefix="warren-cluster-"))
    child = None
    try:
        start(cluster, options, os.getpid())
        child = subprocess.Popen(program, env=os.environ | cluster.environment(), preexec_fn=_die_with_parent)
        code = _wait_for(child, received)
        return code if code >= 0 else 128 - code
    except FileNotFoundError as error:
        print(f"cluster: {error.filename}: not found", file=sys.stderr)
        return COMMAND_MISSING_EXIT
    except Interrupted as interrupted:
        if child:
            child.send_signal(interrupted.number)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
        return 128 + interrupted.number
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if cluster.exists():
            cluster.stop()
        elif os.path.isdir(cluster.folder):
            os.rmdir(cluster.folder)


def print_report(cluster):
    """The table of `status`."""
    report = cluster.report()
    print(f"cluster in {report['folder']}, epmd on port {report['epmd_port']}")
    if "tls_ca_file" in report:
        print(f"TLS authority {report['tls_ca_file']}")
    for entry in report["nodes"]:
        state = f"running, pid {entry['pid']}" if entry["running"] else "down"
        print(f"{entry['name']}: {state}\n  amqp       {entry['amqp']}\n  management {entry['management']}\n"
              f"  prometheus {entry['prometheus']}\n  log        {entry['log']}")
        if "amqps" in entry:
            print(f"  TLS        {entry['amqps']} {entry['management_tls']}")


def execute(options):
    """Carries out one command; returns the exit code."""
    if options.command == "run":
        return run(options)
    cluster = Cluster(options.dir)
    if options.command == "start":
        start(cluster, options, options.with_parent)
        print_report(cluster)
        return 0
    if options.command == "watch":
        watchdog.watch(cluster, {"pid": options.pid, "start": options.start})
        return 0
    state = cluster.state()
    name = cluster.short_name(options.node) if hasattr(options, "node") else None
    if options.command == "stop":
        cluster.stop(options.keep)
    elif options.command == "kill":
        cluster.kill_node(name)
    elif options.command == "stop-node":
        cluster.stop_node(name)
    elif options.command == "start-node":
        cluster.start_node(name, options.timeout)
    elif options.command == "restart":
        cluster.stop_node(name)
        cluster.start_node(name, options.timeout)
    elif options.command in ("drain", "revive"):
        cluster.maintain(name, options.command)
    elif options.command == "forget":
        cluster.forget_node(name)
    elif options.command == "join":
        print(f"{cluster.join(options.timeout)}@localhost")
    elif options.command == "status":
        print(json.dumps(cluster.report(), indent=2)) if options.json else print_report(cluster)
    elif options.command == "env":
        print(json.dumps(cluster.program_environment(), indent=2) if options.json else
              "\n".join(f"export {key}={shlex.quote(value)}" for key, value in cluster.program_environment().items()))
    else:
        program = {"ctl": "rabbitmqctl", "diagnostics": "rabbitmq-diagnostics", "plugins": "rabbitmq-plugins"}[options.command]
        return node.tool(cluster.folder, name, state["epmd"]["port"], program, options.arguments).returncode
    return 0


def main():
    """Entry point; messages for the user go to standard error, without a traceback."""
    options = make_parser().parse_args()
    try:
        return execute(options)
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
