"""The example applications of docs/applications.md under their servers, behind warren-worker and warren-proxy: what
they are told about a request, and that a stop of worker and application in that order loses nothing."""

import json
import os
import shutil
import signal
import subprocess
import threading

import pytest
import requests

from support.management import ManagementApi
from support.ports import REPOSITORY, free_port
from support.processes import die_with_parent, program_environment
from support.waiting import wait_until
from worker_calls import STREAM, make_shards

CLUSTER_NODES = 1
FOLDER = os.path.join(REPOSITORY, "docs", "examples", "applications")
SERVERS = {
    "puma": ["puma", "-C", f"{FOLDER}/rack/puma.rb"],
    "node": ["node", f"{FOLDER}/node/app.js"],
    "gunicorn": ["gunicorn", "-c", f"{FOLDER}/python/gunicorn.conf.py", "app:application"],
}


class Application:
    """One of the examples under its server."""

    def __init__(self, name, log):
        self.name, port = name, free_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = program_environment({"PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1"})
        with open(log, "wb") as output:
            # pylint: disable-next=subprocess-popen-preexec-fn,consider-using-with
            self.process = subprocess.Popen(SERVERS[name], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env=environment, preexec_fn=die_with_parent)

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def close(self):
        """Ends it, whatever it does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture(scope="module", name="proxy")
def proxy_fixture(cluster, module_programs):
    """A proxy before one shard; its URL."""
    make_shards(ManagementApi(cluster.management[0]), cluster.names)
    return module_programs.proxy(cluster, STREAM).url


@pytest.fixture(params=SERVERS, name="application")
def application_fixture(request, tmp_path):
    """Each of the examples in turn."""
    if shutil.which(SERVERS[request.param][0]) is None:
        pytest.skip(f"{request.param} is not installed")
    made = Application(request.param, tmp_path / "application.log")
    yield made
    made.close()


def test_learns_who_asked_and_for_what_and_is_stopped_without_a_loss(cluster, programs, proxy, application):
    worker = programs.worker(cluster, STREAM, application.url, "--concurrency", "4", "--health-path", "/up")
    answer = requests.post(f"{proxy}/orders", data=b"x" * 100_000, timeout=60,
                           headers={"Host": "shop.example", "X-Request-Id": "id-1"})
    assert answer.status_code == 200, answer.text
    told = json.loads(answer.text)
    assert told == {"server": application.name, "method": "POST", "path": "/orders", "host": "shop.example", "scheme": "http",
                    "client": "127.0.0.1", "request_id": "id-1", "body_bytes": 100_000}

    slow = []
    threads = [threading.Thread(target=lambda: slow.append(requests.post(f"{proxy}/slow?sleep=5", timeout=60)))
               for _ in range(3)]
    for each in threads:
        each.start()
    wait_until(lambda: worker.metric("warren_worker_in_flight") == 3, 20, "they are being worked on")
    assert worker.terminate() == 0
    application.stop()
    for each in threads:
        each.join(60)
    assert [each.status_code for each in slow] == [200, 200, 200]
