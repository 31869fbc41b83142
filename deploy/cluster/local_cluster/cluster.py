"""The cluster as a whole: state file, formation, and every operation of the command line.

The state is one JSON file in the cluster's folder, changed under a lock and replaced as a whole, so
that several commands may run at once. The first node starts alone; when its listener is open, the
others start together and join it. Processes are ended only if pid and start time are as recorded.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time

from . import node, ports, processes, tls
from .errors import ClusterError

STATE_FILE = "cluster.json"
START_ATTEMPTS = 3
FORGET_ATTEMPTS = 5


class Cluster:
    """One cluster in one folder. An object belongs to one thread."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)

    # --- State ---------------------------------------------------------------------------------------

    def exists(self):
        """Whether the folder holds a cluster."""
        return os.path.exists(os.path.join(self.folder, STATE_FILE))

    def state(self):
        """The state as a value: settings, epmd, nodes by short name."""
        try:
            with open(os.path.join(self.folder, STATE_FILE), encoding="utf-8") as text:
                return json.load(text)
        except FileNotFoundError:
            raise ClusterError(f"no cluster in {self.folder}; start one there with `cluster start`, "
                               "or name its folder with --dir") from None

    @contextlib.contextmanager
    def change(self):
        """Gives the state to change; writes it when the block ends without an error."""
        with open(os.path.join(self.folder, "lock"), "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.state()
            if state["stopping"]:
                raise ClusterError(f"the cluster in {self.folder} is being stopped")
            yield state
            self._write(state)

    def _write(self, state):
        file = os.path.join(self.folder, STATE_FILE)
        with open(file + ".new", "w", encoding="utf-8") as text:
            json.dump(state, text, indent=2)
        os.replace(file + ".new", file)

    def short_name(self, name):
        """rabbit2 for rabbit2, rabbit2@localhost or 2."""
        short = name.partition("@")[0]
        short = f"rabbit{short}" if short.isdigit() else short
        known = self.state()["nodes"]
        if short not in known:
            raise ClusterError(f"no node {name} in this cluster; its nodes are {', '.join(sorted(known))}")
        return short

    def running(self, state):
        """Short names of the nodes whose process runs, in the order of their numbers."""
        return [name for name in sorted(state["nodes"], key=_number) if processes.alive(state["nodes"][name]["process"])]

    # --- Start ---------------------------------------------------------------------------------------

    def create(self, settings):
        """Makes the folder, the cookie and the state of a new cluster, and starts its epmd."""
        node.check_installed()
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        cookie = os.path.join(self.folder, ".erlang.cookie")
        with open(os.open(cookie, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as text:
            text.write(secrets.token_hex(20))
        os.chmod(cookie, 0o400)
        if settings.get("tls"):
            tls.make(self.folder)
        self._write({"settings": settings, "epmd": None, "nodes": {}, "watchdog": None, "stopping": False})
        for index in range(1, settings["nodes"] + 1):
            self.add_node(index)

    def add_node(self, index):
        """Adds node number `index` to the state, with ports of its own."""
        with self.change() as state:
            state["nodes"][f"rabbit{index}"] = {"ports": self._choose_ports(state, index), "process": None, "formed": False}
        return f"rabbit{index}"

    def _choose_ports(self, state, index):
        base = state["settings"]["base_port"]
        kinds = node.port_kinds(state["settings"])
        if base:
            return {kind: base + index * 10 + offset for offset, kind in enumerate(kinds)}
        used = {port for entry in state["nodes"].values() for port in entry["ports"].values()}
        chosen = {}
        for kind in kinds:
            chosen[kind] = ports.free_port(used)
            used.add(chosen[kind])
        return chosen

    def ensure_epmd(self):
        """Starts the cluster's own epmd if it does not run, on its old port if it had one."""
        with self.change() as state:
            if state["epmd"] and processes.alive(state["epmd"]["process"]):
                return
            for _ in range(START_ATTEMPTS):
                base = state["settings"]["base_port"]
                port = state["epmd"]["port"] if state["epmd"] else base or ports.free_port()
                process = processes.launch(["/usr/bin/epmd", "-port", str(port), "-address", ports.LOOPBACK],
                                           {"PATH": "/usr/bin:/bin", "HOME": self.folder},
                                           os.path.join(self.folder, "epmd.log"))
                if _until(lambda: ports.answers(port) or not processes.alive(process), 5) and processes.alive(process):
                    state["epmd"] = {"port": port, "process": process}
                    return
                processes.reap()
            raise ClusterError(f"epmd does not start on port {port}; see {self.folder}/epmd.log, or give another --base-port")

    def start_all(self, timeout_s):
        """Starts every node that does not run and waits until all of them see each other."""
        self.ensure_epmd()
        deadline = time.monotonic() + timeout_s
        state = self.state()
        stopped = [name for name in sorted(state["nodes"], key=_number) if name not in self.running(state)]
        if not any(entry["formed"] for entry in state["nodes"].values()):
            self._launch(stopped[0], [stopped[0]])
            self._wait_listening(stopped[0], deadline)
            stopped = stopped[1:]
        for name in stopped:
            self._launch(name, self._seeds(name))
        for name in stopped:
            self._wait_listening(name, deadline)
        self.wait_healthy(deadline)

    def start_node(self, name, timeout_s):
        """Starts one node and waits until it sees, and is seen by, every running node."""
        self.ensure_epmd()
        state = self.state()
        if name in self.running(state):
            raise ClusterError(f"{name} runs already, as pid {state['nodes'][name]['process']['pid']}")
        deadline = time.monotonic() + timeout_s
        self._launch(name, self._seeds(name))
        self._wait_listening(name, deadline)
        self.wait_healthy(deadline)

    def _seeds(self, name):
        state = self.state()
        return [other for other in self.running(state) if other != name] or [name]

    def _launch(self, name, seeds):
        with self.change() as state:
            entry = state["nodes"][name]
            if entry["formed"]:
                for kind, port in entry["ports"].items():
                    if not ports.is_free(port):
                        raise ClusterError(f"{name} cannot start: its {kind} port {port} was taken by another program")
            node.write_files(self.folder, name, entry["ports"], state["settings"], seeds)
            entry["seeds"] = seeds
            entry["process"] = node.launch(self.folder, name, entry["ports"], state["epmd"]["port"])

    def _wait_listening(self, name, deadline):
        """Waits for the node's AMQP listener. A start that fails is tried again, the first one with other ports."""
        attempts = 1
        while True:
            processes.reap()
            entry = self.state()["nodes"][name]
            if not processes.alive(entry["process"]):
                if attempts == START_ATTEMPTS:
                    raise ClusterError(f"{name} ended while it started, {attempts} times. The end of its log:\n"
                                       f"{node.log_tail(self.folder, name)}")
                attempts += 1
                self._relaunch(name, entry)
            elif node.peers(entry["ports"]):
                with self.change() as state:
                    state["nodes"][name]["formed"] = True
                return
            elif time.monotonic() > deadline:
                raise ClusterError(f"{name} is not healthy in time. The end of its log:\n{node.log_tail(self.folder, name)}")
            time.sleep(0.1)

    def _relaunch(self, name, entry):
        """A node that is part of the cluster keeps its data and its ports; one that never was starts afresh."""
        if not entry["formed"]:
            with self.change() as state:
                node.remove(self.folder, name)
                state["nodes"][name]["ports"] = self._choose_ports(state, _number(name))
        self._launch(name, entry["seeds"])

    def wait_healthy(self, deadline):
        """Waits until every running node sees exactly the running nodes."""
        while True:
            state = self.state()
            names = self.running(state)
            wanted = {f"{name}@localhost" for name in names}
            views = {name: node.peers(state["nodes"][name]["ports"]) for name in names}
            if names and all(view == wanted for view in views.values()):
                return
            if time.monotonic() > deadline:
                seen = "; ".join(f"{name} sees {', '.join(sorted(view)) or 'nobody'}" for name, view in views.items())
                raise ClusterError(f"the nodes do not all see each other in time: {seen}")
            time.sleep(0.2)

    # --- Changes -------------------------------------------------------------------------------------

    def kill_node(self, name):
        """kill -9."""
        processes.kill(self.state()["nodes"][name]["process"])
        processes.reap()

    def stop_node(self, name, timeout_s=30):
        """An orderly stop of one node; its data stay."""
        processes.terminate(self.state()["nodes"][name]["process"], timeout_s)
        processes.reap()

    def forget_node(self, name):
        """Ends a node, takes it out of the cluster and removes its data."""
        state = self.state()
        others = [other for other in self.running(state) if other != name]
        if not others:
            raise ClusterError(f"{name} cannot be forgotten: no other node runs that could forget it")
        processes.kill(state["nodes"][name]["process"])
        for _ in range(FORGET_ATTEMPTS):  # The others may need a moment to notice the end.
            result = node.tool(self.folder, others[0], state["epmd"]["port"], "rabbitmqctl",
                               ["-q", "forget_cluster_node", f"{name}@localhost"], capture=True)
            if result.returncode == 0:
                break
        else:
            raise ClusterError(f"{others[0]} does not forget {name}: {(result.stderr or result.stdout).strip()}")
        node.remove(self.folder, name)
        with self.change() as changed:
            del changed["nodes"][name]

    def maintain(self, name, command):
        """`rabbitmq-upgrade drain` or `revive` of one node."""
        state = self.state()
        result = node.tool(self.folder, name, state["epmd"]["port"], "rabbitmq-upgrade", [command], capture=True)
        if result.returncode != 0:
            raise ClusterError(f"rabbitmq-upgrade {command} on {name}: {(result.stderr or result.stdout).strip()}")

    def join(self, timeout_s):
        """Adds a node with the lowest free number and waits until all see it; returns its name."""
        known = self.state()["nodes"]
        index = next(number for number in range(1, len(known) + 2) if f"rabbit{number}" not in known)
        name = self.add_node(index)
        self.start_node(name, timeout_s)
        return name

    def stop(self, keep=False):
        """Ends everything that was started; without `keep` the folder goes as well."""
        self._mark_stopping()
        state = self.state()
        watchdog = state.get("watchdog")
        if watchdog and watchdog["pid"] != os.getpid():
            processes.kill(watchdog)
        for name in reversed(self.running(state)):
            if keep:
                self.stop_node(name)
            else:
                processes.kill(state["nodes"][name]["process"])
        if state["epmd"]:
            processes.kill(state["epmd"]["process"])
        # Tools in the middle of a command, and a node whose starter was killed before it could record it.
        for process in processes.with_home(self.folder):
            processes.kill(process)
        processes.reap()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _mark_stopping(self):
        """Refuses every later change, so that nothing is started behind the back of `stop`."""
        try:
            with self.change() as state:
                state["stopping"] = True
        except ClusterError:
            pass

    def reopen(self):
        """Makes a cluster that was stopped and kept ready to be started again."""
        state = self.state()
        if self.running(state):
            raise ClusterError(f"a cluster runs already in {self.folder}; stop it first, or name another folder with --dir")
        self._write(state | {"stopping": False, "watchdog": None})

    # --- Reports -------------------------------------------------------------------------------------

    def report(self):
        """What `status` prints, as a value."""
        state = self.state()
        nodes = []
        for name in sorted(state["nodes"], key=_number):
            entry = state["nodes"][name]
            is_running = processes.alive(entry["process"])
            nodes.append({
                "name": f"{name}@localhost",
                "short_name": name,
                "running": is_running,
                "pid": entry["process"]["pid"] if is_running else None,
                "ports": entry["ports"],
                "amqp": f"{ports.LOOPBACK}:{entry['ports']['amqp']}",
                "management": f"http://{ports.LOOPBACK}:{entry['ports']['management']}",
                "prometheus": f"http://{ports.LOOPBACK}:{entry['ports']['prometheus']}/metrics",
                "log": node.log_file(self.folder, name),
            })
            if state["settings"].get("tls"):
                nodes[-1]["amqps"] = f"amqps://{ports.LOOPBACK}:{entry['ports']['amqps']}"
                nodes[-1]["management_tls"] = f"https://{ports.LOOPBACK}:{entry['ports']['management_tls']}"
        report = {"folder": self.folder, "epmd_port": state["epmd"]["port"] if state["epmd"] else None, "nodes": nodes}
        if state["settings"].get("tls"):
            report["tls_ca_file"] = tls.ca_file(self.folder)
        return report

    def environment(self):
        """The variables that `run` gives to its command; lists are comma-separated, in node order."""
        report = self.report()
        nodes = report["nodes"]
        variables = {
            "WARREN_TEST_CLUSTER_DIR": self.folder,
            "WARREN_TEST_NODES": ",".join(entry["name"] for entry in nodes),
            "WARREN_TEST_AMQP": ",".join(entry["amqp"] for entry in nodes),
            "WARREN_TEST_MANAGEMENT": ",".join(entry["management"] for entry in nodes),
            "WARREN_TEST_PROMETHEUS": ",".join(entry["prometheus"] for entry in nodes),
        }
        if "tls_ca_file" in report:
            variables["WARREN_TEST_AMQPS"] = ",".join(entry["amqps"] for entry in nodes)
            variables["WARREN_TEST_MANAGEMENT_TLS"] = ",".join(entry["management_tls"] for entry in nodes)
            variables["WARREN_TEST_TLS_CA_FILE"] = report["tls_ca_file"]
        return variables

    def program_environment(self):
        """What `env` prints: where Warren's programs look for the cluster, and the variables of environment()."""
        variables = self.environment()
        return {"WARREN_MANAGEMENT": variables["WARREN_TEST_MANAGEMENT"], "WARREN_NODE": variables["WARREN_TEST_AMQP"],
                **variables}


def _number(name):
    return int(name.removeprefix("rabbit"))


def _until(predicate, timeout_s):
    end = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
