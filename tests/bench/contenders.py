"""What tests/bench/data_plane.py measures: nginx, HAProxy, Mongrel2, Warren and the bare AMQP loop, each started with one
thread and without an access log. A contender says with which command it is measured and which processes take part.

All run side by side, idle but for the one under load. Everything is started through support.processes, so it ends with
the script, and writes below one temporary folder."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

# pylint: disable=wrong-import-position
from support.ports import answers, free_port
from support.processes import Program
from support.waiting import wait_until

MANY = 1_000_000_000  # Requests on one connection before it is closed: never.
REQUEST_BYTES, ANSWER_BYTES = 256, 512

NGINX = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests {many};
  client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
  uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
  upstream application {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests {many}; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""

HAPROXY = """global
  nbthread 1
  maxconn 4096
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend bench
  bind 127.0.0.1:{port}
  default_backend application
backend application
  server application 127.0.0.1:{backend}
"""

MONGREL2 = """bench = Handler(send_spec="tcp://127.0.0.1:{requests}", send_ident="warren-bench-1",
                recv_spec="tcp://127.0.0.1:{responses}", recv_ident="")
main = Server(uuid="warren-bench", name="bench", bind_addr="127.0.0.1", port={port}, chroot="./", pid_file="/mongrel2.pid",
              access_log="/mongrel2-access.log", error_log="/mongrel2-error.log", default_host="bench.example",
              hosts=[Host(name="bench.example", routes={{"/": bench}})])
settings = {{"server.daemonize": 0, "zeromq.threads": 1, "disable.access_logging": 1}}
servers = [main]
"""


def tree(pid):
    """The process and all below it."""
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                found += [below for child in children.read().split() for below in tree(int(child))]
        except OSError:
            continue  # It has ended.
    return found


class Setting:
    """Where everything is: the folder for files and logs, the bench programs, the cluster, Warren's programs."""

    def __init__(self, folder, tools, cluster, programs, options):
        self.folder, self.tools, self.cluster, self.programs, self.options = folder, tools, cluster, programs, options
        backend = self.start("backend", self.tool("backend"))
        wait_until(lambda: backend.log().strip(), 10, "the back end prints its port")
        self.backend_pid, self.backend_port = backend.pid, int(backend.log())

    def tool(self, name):
        """The path of a bench program."""
        return os.path.join(self.tools, name)

    def start(self, name, *command, port=None, ready=None, env=None):
        """A program that is ready once its port answers or its output has a word."""
        program = Program(list(map(str, command)), os.path.join(self.folder, f"{name}.log"), env=env)
        self.programs.started.append(program)
        if port:
            wait_until(lambda: answers(port) or not program.running(), 15, lambda: f"{name}: {program.log_tail()}")
        if ready:
            wait_until(lambda: ready in program.log() or not program.running(), 30, lambda: f"{name}: {program.log_tail()}")
        if not program.running():
            raise RuntimeError(f"{name} ended at once: {program.log_tail()}")
        return program

    def write(self, name, text):
        """A file in the folder."""
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as output:
            output.write(text)
        return path

    def broker(self):
        """The processes of the node."""
        return tree(self.cluster.status()["nodes"][0]["pid"])


class Contender:
    """One way to carry requests. `groups` are the processes besides the load generator, by name."""

    def __init__(self, setting, name):
        self.setting, self.name, self.front = setting, name, None
        self.groups, self.counters = {}, {}

    def watched(self):
        """--watch for each group, --count for each counter."""
        watches = [("--watch", f"{name}={','.join(map(str, pids))}") for name, pids in self.groups.items()]
        counts = [("--count", f"{name}={path}") for name, path in self.counters.items()]
        return [part for option in watches + counts for part in option]

    def command(self, connections):
        """The command that measures it, without its times."""
        return [self.setting.tool("load_generator"), "--port", str(self.front), "--connections", str(connections),
                "--request-bytes", str(REQUEST_BYTES), "--body-bytes", str(ANSWER_BYTES), *self.watched()]


class Nginx(Contender):
    """nginx with one worker process and kept connections to the back end."""

    def __init__(self, setting, name="nginx"):
        super().__init__(setting, name)
        self.front = free_port()
        configuration = setting.write("nginx.conf", NGINX.format(folder=setting.folder, many=MANY, port=self.front,
                                                                 backend=setting.backend_port))
        program = setting.start(name, "nginx", "-e", os.path.join(setting.folder, "nginx-error.log"), "-c", configuration,
                                port=self.front)
        self.groups = {"proxy": tree(program.pid), "back end": [setting.backend_pid]}


class HAProxy(Contender):
    """HAProxy with one thread; connections to the back end are always reused."""

    def __init__(self, setting, name="haproxy"):
        super().__init__(setting, name)
        self.front = free_port()
        configuration = setting.write("haproxy.cfg", HAPROXY.format(port=self.front, backend=setting.backend_port))
        program = setting.start(name, "haproxy", "-db", "-f", configuration, port=self.front)
        self.groups = {"proxy": tree(program.pid), "back end": [setting.backend_pid]}


class Mongrel2(Contender):
    """Mongrel2 and a handler over ZeroMQ, which is worker and application in one."""

    def __init__(self, setting, name="mongrel2"):
        super().__init__(setting, name)
        self.front, requests, responses = free_port(), free_port(), free_port()
        configuration = setting.write("mongrel2.conf", MONGREL2.format(port=self.front, requests=requests,
                                                                       responses=responses))
        database = os.path.join(setting.folder, "mongrel2.sqlite")
        subprocess.run(["m2sh", "load", "-config", configuration, "-db", database], cwd=setting.folder, check=True,
                       timeout=30, stdout=subprocess.DEVNULL, env=os.environ | {"LOGNAME": "bench"})
        program = setting.start(name, "sh", "-c", 'cd "$1" && exec mongrel2 mongrel2.sqlite warren-bench', "sh",
                                setting.folder, port=self.front)
        handler = setting.start("mongrel2-handler", setting.tool("mongrel2_handler"),
                                "--requests", f"tcp://127.0.0.1:{requests}",
                                "--responses", f"tcp://127.0.0.1:{responses}", ready="ready")
        self.groups = {"proxy": tree(program.pid), "worker": [handler.pid]}


class Warren(Contender):
    """warren-proxy and warren-worker with one I/O thread each. `folder`: programs other than those of WARREN_BIN."""

    def __init__(self, setting, name="warren", exchange="bench.warren", folder=None):
        super().__init__(setting, name)
        kept = os.environ["WARREN_BIN"]
        os.environ["WARREN_BIN"] = folder or kept
        try:
            self.worker = setting.programs.worker(setting.cluster, exchange, f"http://127.0.0.1:{setting.backend_port}",
                                                  "--concurrency", setting.options.concurrency, env=self.counting("worker"))
            self.proxy = setting.programs.proxy(setting.cluster, exchange, "--threads", 1, env=self.counting("proxy"))
        finally:
            os.environ["WARREN_BIN"] = kept
        self.front = self.proxy.port
        self.groups = {"proxy": [self.proxy.pid], "worker": [self.worker.pid], "broker": setting.broker(),
                       "back end": [setting.backend_pid]}


    def counting(self, program):
        """The environment in which a program's allocations are counted, if they are to be."""
        if not self.setting.options.allocations:
            return None
        path = os.path.join(self.setting.folder, f"{self.name}-{program}.allocations")
        self.counters[f"allocations of the {program}"] = path
        return {"LD_PRELOAD": self.setting.tool("liballocations.so"), "BENCH_COUNTERS": path}


class BareLoop(Contender):
    """tests/bench/amqp_loop: no HTTP, but the same exchange, acks, confirms and replies."""

    def __init__(self, setting, name="bare loop", exchange="bench.bare"):
        super().__init__(setting, name)
        self.node, self.exchange = setting.cluster.amqp[0], exchange
        queues = [part for shard in setting.shards(exchange) for part in ("--queue", shard)]
        program = setting.start("responder", setting.tool("amqp_loop"), "respond", "--node", self.node, *queues,
                                "--body-bytes", ANSWER_BYTES, ready="ready")
        self.groups = {"responder": [program.pid], "broker": setting.broker()}

    def command(self, connections):
        return [self.setting.tool("amqp_loop"), "request", "--node", self.node, "--exchange", self.exchange,
                "--in-flight", str(connections), "--body-bytes", str(REQUEST_BYTES), "--reply-bytes", str(ANSWER_BYTES),
                *self.watched()]
