"""Starting Warren's programs: logs in a temporary folder, readiness, an end for every one of them.

Children get SIGKILL when the thread that started them ends: start them from the test's main thread.
"""

import ctypes
import os
import re
import signal
import subprocess
import sys

import requests

from .ports import free_port
from .waiting import wait_until

PR_SET_PDEATHSIG = 1
LOG_TAIL_LINES = 40
SANITIZER_REPORT = re.compile(r"^.*(?:Sanitizer: |: runtime error: )", re.MULTILINE)
HTTP = requests.Session()
HTTP.trust_env = False


def die_with_parent():
    """For preexec_fn."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def program_environment(extra=None):
    """Our environment without what belongs to the tests: a program refuses WARREN_ variables it does not know."""
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith("WARREN_") and not key.lower().endswith("_proxy")}
    return kept | (extra or {})


def binary(name):
    """The path of a program of ours; WARREN_BIN names the folder."""
    folder = os.environ.get("WARREN_BIN")
    assert folder, "WARREN_BIN is not set: it names the folder with the programs, as build/Release/bin"
    path = os.path.join(folder, name)
    assert os.access(path, os.X_OK), f"{path} is not there; build it first"
    return path


class Program:
    """One running program. `metrics` is the base URL of its /metrics, /readyz and /healthz."""

    def __init__(self, command, log, metrics_port=None, env=None):
        self.command, self.log_path, self.metrics_port, self.env = command, log, metrics_port, env
        self.process = None
        self.start()

    def start(self):
        """Starts it, or starts it again after its end, with the same arguments; the log goes on."""
        assert self.process is None or self.process.poll() is not None, f"{self.name} runs already"
        with open(self.log_path, "ab") as output:
            # pylint: disable-next=subprocess-popen-preexec-fn
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env=program_environment(self.env), preexec_fn=die_with_parent)
        return self

    @property
    def name(self):
        """The program's file name."""
        return os.path.basename(self.command[0])

    @property
    def pid(self):
        """The process id."""
        return self.process.pid

    @property
    def metrics(self):
        """Base URL of the admin port."""
        return f"http://127.0.0.1:{self.metrics_port}"

    def log(self):
        """All it wrote so far."""
        with open(self.log_path, encoding="utf-8", errors="replace") as text:
            return text.read()

    def log_tail(self, lines=LOG_TAIL_LINES):
        """The end of what it wrote."""
        return "\n".join(self.log().splitlines()[-lines:])

    def running(self):
        """Whether the process has not ended."""
        return self.process.poll() is None

    def is_ready(self):
        """Whether /readyz says 200 now."""
        try:
            return HTTP.get(f"{self.metrics}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def wait_ready(self, timeout=30):
        """Waits for /readyz; fails at once if the program ends."""
        def check():
            return self.is_ready() or not self.running()
        wait_until(check, timeout, lambda: f"{self.name} is not ready:\n{self.log_tail()}")
        assert self.running(), f"{self.name} ended with {self.process.returncode}:\n{self.log_tail()}"
        return self

    def metrics_text(self):
        """The answer of /metrics."""
        answer = HTTP.get(f"{self.metrics}/metrics", timeout=20)
        answer.raise_for_status()
        return answer.text

    def metric(self, name, **labels):
        """The sum of a metric's samples whose labels include `labels`; 0 if there are none."""
        return sum(value for key, found, value in samples(self.metrics_text())
                   if key == name and labels.items() <= found.items())

    def wait(self, timeout=30):
        """Waits for the end; returns the exit code."""
        return self.process.wait(timeout)

    def terminate(self, timeout=30):
        """SIGTERM, then waits for the end; returns the exit code."""
        if self.running():
            self.process.terminate()
        return self.wait(timeout)

    def kill(self):
        """kill -9."""
        if self.running():
            self.process.kill()
        self.process.wait(10)


def samples(text):
    """(name, labels, value) of each line of Prometheus' text format."""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        series, _, value = line.rpartition(" ")
        name, brace, rest = series.partition("{")
        labels = {}
        while brace and rest and rest != "}":
            key, _, rest = rest.partition('="')
            end = 0
            while rest[end] != '"':
                end += 2 if rest[end] == "\\" else 1
            labels[key.strip(", ")] = rest[:end].replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
            rest = rest[end + 1:]
        yield name, labels, float(value)


class Programs:
    """Starts programs and ends all of them. `folder` takes their logs."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []

    def start(self, name, *arguments, ready=True, timeout=30, env=None):
        """Starts a daemon on a free --metrics-listen port (unless given) and waits until it is ready."""
        command = [binary(name), *map(str, arguments)]
        port = None
        if "--metrics-listen" in command:
            port = int(command[command.index("--metrics-listen") + 1].rpartition(":")[2])
        else:
            port = free_port()
            command += ["--metrics-listen", f"127.0.0.1:{port}"]
        program = Program(command, os.path.join(self.folder, f"{len(self.started)}-{name}.log"), port, env)
        self.started.append(program)
        return program.wait_ready(timeout) if ready else program

    def coordinator(self, cluster, *arguments, listen=None, **options):
        """warren-coordinator for a cluster, polling each second if not told otherwise. Its REST port is `.api`."""
        port = listen or free_port()
        interval = [] if "--interval" in arguments else ["--interval", "1s"]
        program = self.start("warren-coordinator", *urls(cluster), *nodes(cluster), *interval,
                             "--listen", f"127.0.0.1:{port}", *arguments, **options)
        program.api = f"http://127.0.0.1:{port}/api/v1"
        return program

    def proxy(self, cluster, exchange, *arguments, listen=None, **options):
        """warren-proxy for an exchange; `.url` and `.port` say where it listens."""
        port = listen or free_port()
        program = self.start("warren-proxy", "--exchange", exchange, "--listen", f"127.0.0.1:{port}",
                             *nodes(cluster), *arguments, **options)
        program.port, program.url = port, f"http://127.0.0.1:{port}"
        return program

    def worker(self, cluster, stream, upstream, *arguments, node=None, **options):
        """warren-worker for a stream; `node` (an index) is the node it connects to first or alone."""
        aims = nodes(cluster) if node is None else ["--node", cluster.amqp[node]]
        return self.start("warren-worker", "--stream", stream, "--upstream", upstream, *aims, *urls(cluster),
                          *arguments, **options)

    def gateway(self, cluster, *arguments, listen=None, node=None, **options):
        """warren-gateway; `.port` and `.address` say where AMQP clients connect, `node` (an index) is the one node it knows."""
        port = listen or free_port()
        aims = nodes(cluster) if node is None else ["--node", cluster.amqp[node]]
        program = self.start("warren-gateway", "--listen", f"127.0.0.1:{port}", *aims, *urls(cluster), *arguments,
                             **options)
        program.port, program.address = port, f"127.0.0.1:{port}"
        return program

    def ctl(self, cluster, *arguments, timeout=60, env=None, check=False):
        """Runs warrenctl to its end. `cluster` may be None: no --management then."""
        command = [binary("warrenctl"), *(urls(cluster) if cluster else []), *map(str, arguments)]
        result = run(command, timeout, env)
        if check:
            assert result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    def run(self, name, *arguments, timeout=60, env=None):
        """Runs any program of ours to its end."""
        return run([binary(name), *map(str, arguments)], timeout, env)

    def tails(self):
        """The end of every log, for a test that failed."""
        return "\n".join(f"----- {program.name} pid {program.pid}: {' '.join(program.command[1:])}\n{program.log_tail()}"
                         for program in self.started)

    def end(self):
        """SIGTERM to all, SIGKILL to those that do not end within ten seconds. Fails if a sanitizer complained in one of
        them, at its end too: leaks are found there, when every assertion of the test has passed."""
        running = [program for program in self.started if program.running()]
        for program in running:
            program.process.terminate()
        for program in running:
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                print(f"{program.name} (pid {program.pid}) did not end within 10 s of SIGTERM", file=sys.stderr)
                program.kill()
        for program in self.started:
            assert_no_sanitizer_report(program.name, program.log())


def assert_no_sanitizer_report(name, text):
    """Fails with the report if a sanitizer wrote one."""
    found = SANITIZER_REPORT.search(text)
    assert not found, f"{name}:\n" + "\n".join(text[found.start():].splitlines()[:LOG_TAIL_LINES])


def run(command, timeout=60, env=None):
    """A program to its end; result has returncode, stdout, stderr as text."""
    # pylint: disable-next=subprocess-run-check,subprocess-popen-preexec-fn
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
                            env=program_environment(env), preexec_fn=die_with_parent)
    assert_no_sanitizer_report(command[0], result.stderr)
    return result


def urls(cluster):
    """--management for every node."""
    return [part for url in cluster.management for part in ("--management", url)]


def nodes(cluster):
    """--node for every node."""
    return [part for address in cluster.amqp for part in ("--node", address)]
