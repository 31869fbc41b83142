"""Client libraries of several languages, unmodified: each goes through a script of AMQP methods, once at the broker and once
through warren-gateway, and records what came back. The recordings are equal, line by line.

The programs are in gateway_clients/; none of the names they use is a stream's.
"""

import os
import re
import subprocess
from urllib.parse import quote

import pytest

from support.processes import program_environment

CLUSTER_NODES = 1
FOLDER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "gateway_clients")
BUILD_S, RUN_S = 120, 120
# What a client or the broker makes up: queue names, consumer tags, addresses for replies.
MADE_UP = re.compile(r"amq\.gen-[\w-]{22}|amq\.ctag-[\w-]{22}|ctag\d+\.[0-9a-f]{32}|(?<=amq\.rabbitmq\.reply-to\.)[\w+/=.-]+")
MANY = 30


def in_pika(_folder, address, prefix):
    """Python."""
    return ["/usr/bin/python3", "-B", os.path.join(FOLDER, "pika_client.py"), url(address), prefix]


def in_c(folder, address, prefix):
    """rabbitmq-c, every frame that comes back."""
    binary = os.path.join(folder, "rabbitmq_c_client")
    if not os.path.exists(binary):
        build(["cc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-o", binary,
               os.path.join(FOLDER, "rabbitmq_c_client.c"), "-lrabbitmq"])
    return [binary, *address.rsplit(":", 1), prefix]


def in_ruby(_folder, address, prefix):
    """bunny."""
    return ["/usr/bin/ruby", os.path.join(FOLDER, "bunny_client.rb"), url(address), prefix]


def in_go(folder, address, prefix):
    """amqp091-go."""
    binary = os.path.join(folder, "amqp091_client")
    if not os.path.exists(binary):
        build(["/usr/bin/go", "build", "-o", binary, os.path.join(FOLDER, "amqp091_client.go")], HOME=folder,
              GOCACHE=os.path.join(folder, "go-cache"), GOPATH="/usr/share/gocode", GO111MODULE="off", CGO_ENABLED="0")
    return [binary, url(address), prefix]


CLIENTS = {"pika": in_pika, "rabbitmq-c": in_c, "bunny": in_ruby, "amqp091-go": in_go}


def build(command, **environment):
    """Compiles a client."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BUILD_S, check=False,
                            env=program_environment(environment))
    assert result.returncode == 0, f"{command}: {result.stderr}"


def url(address):
    """For clients that take one."""
    return f"amqp://guest:guest@{address}/{quote('/', safe='')}"


def recording(output, prefix):
    """Lines, with the names of this run and those that were made up put aside."""
    return [MADE_UP.sub("made-up", line.replace(prefix, "prefix")) for line in output.splitlines()]


def record_all(client, folder, addresses):
    """Runs the client at each address, side by side; a recording for each."""
    running = [(f"{client}.{number}".lower(), address) for number, address in enumerate(addresses)]
    running = [(prefix, subprocess.Popen(CLIENTS[client](str(folder), address, prefix), stdin=subprocess.DEVNULL, text=True,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=program_environment()))
               for prefix, address in running]
    recordings = []
    try:
        for prefix, process in running:
            output, errors = process.communicate(timeout=RUN_S)
            recordings.append(recording(output, prefix) + [f"exit code {process.returncode}"])
            assert process.returncode == 0, f"{client}: {errors}\n{output[-2000:]}"
    finally:
        for _, process in running:
            process.kill()
            process.communicate()
    return recordings


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_sees_the_same_through_the_gateway_as_at_the_broker(client, cluster, module_gateway, tmp_path):
    direct, through = record_all(client, tmp_path, [cluster.amqp[0], module_gateway.address])
    assert len(direct) > MANY and '"end"' in direct[-2], direct[-3:]
    differences = [f"broker:  {one}\ngateway: {other}" for one, other in zip(direct, through) if one != other]
    assert not differences and len(direct) == len(through), "\n".join(differences[:5])
    assert module_gateway.running()


@pytest.fixture(scope="module", name="module_gateway")
def fixture_module_gateway(cluster, module_programs):
    """In front of the one node."""
    return module_programs.gateway(cluster)
