#!/usr/bin/python3 -B
"""The same load and the same kills on nginx, HAProxy and Warren, in front of the same back ends; prints a table.

usage: WARREN_BIN=build/Release/bin tests/faults/compare_proxies.py [SECONDS] [NAME …]    (default 30; all of them)

Three back ends; every 3 s one of them in turn is killed (kill -9) and started again a second later. The load is that of
the fault tests: 64 connections, half GET, a quarter POST with Idempotency-Key, a quarter plain POST, every answer
checked, every execution in a ledger. nginx is as it comes (proxy_next_upstream error timeout, max_fails 1); HAProxy
repeats on layer 7 what may be repeated; Warren is warren-proxy, one broker and three workers. In the row "with their
workers" each worker dies with its back end, as when their machine does. Needs nginx, haproxy, rabbitmq-server.
"""

import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration")]

# pylint: disable=wrong-import-position
from ledger import Applications, mistakes, repeated  # noqa: E402
from load import Load  # noqa: E402
from service import EXCHANGE  # noqa: E402
from support.cluster import Cluster  # noqa: E402
from support.http_client import wait_serving  # noqa: E402
from support.management import ManagementApi  # noqa: E402
from support.ports import free_port  # noqa: E402
from support.processes import Program, Programs  # noqa: E402

BACK_ENDS = 3
KILL_EVERY_S, DOWN_S = 3, 1

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream application {{ {servers} }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://application; }} }}
}}
"""

HAPROXY = """
global
  maxconn 1024
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 30s
  retries 3
  option redispatch 1
frontend edge
  bind 127.0.0.1:{port}
  default_backend application
backend application
  balance roundrobin
  retry-on all-retryable-errors
  acl once method POST
  acl keyed req.hdr(idempotency-key) -m found
  http-request disable-l7-retry if once !keyed
{servers}
"""


def run(command, log):
    """A proxy in the foreground."""
    return Program(command, log)


def nginx(folder, applications, _):
    """nginx as it comes."""
    port = free_port()
    servers = " ".join(f"server 127.0.0.1:{application};" for application in applications.ports)
    write(f"{folder}/nginx.conf", NGINX.format(folder=folder, servers=servers, port=port))
    return port, [run(["/usr/sbin/nginx", "-p", folder, "-e", f"{folder}/nginx.error", "-c", f"{folder}/nginx.conf"],
                      f"{folder}/nginx.log")], []


def haproxy(folder, applications, _):
    """HAProxy that repeats what may be repeated, with health checks every second."""
    port = free_port()
    servers = "\n".join(f"  server a{index} 127.0.0.1:{application} check inter 1s"
                        for index, application in enumerate(applications.ports))
    write(f"{folder}/haproxy.cfg", HAPROXY.format(servers=servers, port=port))
    return port, [run(["/usr/sbin/haproxy", "-db", "-f", f"{folder}/haproxy.cfg"], f"{folder}/haproxy.log")], []


def warren(_, applications, cluster):
    """warren-proxy and three workers, each with all back ends, its own first."""
    programs = Programs(tempfile.mkdtemp(dir=cluster.folder))
    api = ManagementApi(cluster.management[0])
    api.define_stream("web", {"shards-per-node": BACK_ENDS, "routing-key": "1", "http": True}, "^shard\\.")
    api.declare_exchange(EXCHANGE)
    programs.ctl(cluster, "apply", check=True)
    workers = []
    for index in range(BACK_ENDS):
        urls = applications.urls[index:] + applications.urls[:index]
        others = [part for url in urls[1:] for part in ("--upstream", url)]
        workers.append(programs.worker(cluster, EXCHANGE, urls[0], *others, "--concurrency", "64"))
    proxy = programs.proxy(cluster, EXCHANGE)
    return proxy.port, programs.started, workers


def write(path, text):
    """A file."""
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def measure(name, start, with_workers, cluster, seconds):
    """One row of the table."""
    with tempfile.TemporaryDirectory(prefix="warren-compare-") as folder:
        applications = Applications(folder, BACK_ENDS)
        port, programs, workers = start(folder, applications, cluster)
        try:
            wait_serving(port, "/ready")
            with Load([port]) as load:
                end, kills = time.monotonic() + seconds, 0
                while time.monotonic() < end:
                    time.sleep(KILL_EVERY_S - DOWN_S)
                    victims = [applications.programs[kills % BACK_ENDS]]
                    victims += [workers[kills % BACK_ENDS]] if with_workers else []
                    for victim in victims:
                        victim.kill()
                    time.sleep(DOWN_S)
                    for victim in victims:
                        victim.start()
                    kills += 1
            return row(name, load, applications.runs(), kills)
        finally:
            for program in programs:
                program.process.terminate()
            for program in programs:
                program.wait(10)
            applications.close()


def row(name, load, runs, kills):
    """What came of it, as a line of a Markdown table."""
    failed = [sum(answer.kind == kind and answer.status != 200 for answer in load.answers)
              for kind in ("get", "keyed", "plain")]
    twice = repeated(load, runs)["plain"]
    wrong = len(mistakes(load, runs)) - twice
    times = sorted(answer.seconds for answer in load.answers)
    return (f"| {name} | {len(load.answers):,} | {kills} | {' | '.join(f'{count:,}' for count in failed)} | "
            f"{100 * sum(failed) / len(load.answers):.2f} % | {wrong} | {twice} | "
            f"{times[len(times) * 99 // 100] * 1000:.0f} ms | {times[-1]:.1f} s |")


def main():
    """All rows."""
    arguments = sys.argv[1:]
    seconds = float(arguments.pop(0)) if arguments and arguments[0].isdigit() else 30
    systems = {"nginx": ("nginx, as it comes", nginx, False), "haproxy": ("HAProxy, L7 retries", haproxy, False),
               "warren": ("Warren, back ends killed", warren, False),
               "both": ("Warren, back ends killed with their workers", warren, True)}
    print("| | requests | kills | failed GET | failed POST with key | failed plain POST | failed in all | "
          "wrong answers | plain POST run twice | 99 % | slowest |\n|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for key in arguments or systems:
        name, start, with_workers = systems[key]
        cluster = Cluster(1) if start is warren else None
        try:
            print(measure(name, start, with_workers, cluster, seconds), flush=True)
        finally:
            if cluster:
                cluster.stop()


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as problem:
        sys.exit(f"compare_proxies.py: {problem}")
