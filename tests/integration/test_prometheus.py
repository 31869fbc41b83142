"""Debian's Prometheus with deploy/prometheus/prometheus.yml: every target is up, shard metrics can be
queried, and promtool has nothing to say against any endpoint.
"""

import json
import os
import shutil
import subprocess

import pytest

from support.http_client import request, wait_serving
from support.ports import REPOSITORY, free_port
from support.processes import HTTP, Program, samples
from support.waiting import wait_until

CLUSTER_NODES = 3
CLUSTER_STATISTICS_MS = 1000
SHARDS = 6


@pytest.fixture(scope="module")
def system(cluster, module_programs, module_backend):
    """Coordinator, proxy, gateway and three workers that serve; by name."""
    from support.management import ManagementApi  # pylint: disable=import-outside-toplevel
    api = ManagementApi(cluster.management[0])
    api.define_stream("web", {"shards-per-node": 2, "routing-key": "1"}, "^shard\\.")
    api.declare_exchange("shard.web")
    coordinator = module_programs.coordinator(cluster)
    api.wait_shards("shard.web", SHARDS)
    application = module_backend("application")
    workers = [module_programs.worker(cluster, "shard.web", application.url, node=index) for index in range(3)]
    proxy = module_programs.proxy(cluster, "shard.web")
    wait_serving(proxy.port)
    for number in range(30):
        assert request(proxy.port, "GET", f"/{number}").status == 200
    gateway = module_programs.gateway(cluster)
    return {"coordinator": coordinator, "proxy": proxy, "gateway": gateway, "workers": workers}


@pytest.fixture(scope="module")
def prometheus(system, cluster, tmp_path_factory):
    """The base URL of a Prometheus that runs the published file with this system's ports."""
    folder = tmp_path_factory.mktemp("prometheus")
    with open(os.path.join(REPOSITORY, "deploy", "prometheus", "prometheus.yml"), encoding="utf-8") as text:
        configuration = text.read()
    ports = {"15681": system["coordinator"].metrics_port, "15682": system["proxy"].metrics_port,
             "15684": system["gateway"].metrics_port,
             "15692": cluster.prometheus[0].rpartition(":")[2].partition("/")[0]}
    ports |= dict(zip(("15683", "15693", "15703"), (worker.metrics_port for worker in system["workers"])))
    for published, port in ports.items():
        assert configuration.count(f"127.0.0.1:{published}") == 1, f"port {published} is not scraped once"
        configuration = configuration.replace(f"127.0.0.1:{published}", f"127.0.0.1:=@{port}")
    configuration = configuration.replace("=@", "").replace("evaluation_interval: 15s", "evaluation_interval: 1s")
    configuration = configuration.replace("scrape_interval: 5s", "scrape_interval: 2s").replace("scrape_timeout: 4s",
                                                                                               "scrape_timeout: 2s")
    file = folder / "prometheus.yml"
    file.write_text(configuration)
    shutil.copy(os.path.join(REPOSITORY, "deploy", "prometheus", "rules.yml"), folder)
    subprocess.run(["promtool", "check", "config", str(file)], check=True, timeout=120)
    port = free_port()
    program = Program(["/usr/bin/prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}",
                       f"--web.listen-address=127.0.0.1:{port}"], str(folder / "log"))
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: HTTP.get(f"{url}/-/ready", timeout=5).status_code == 200, 30, program.log_tail)
        yield url
    finally:
        program.terminate()


def query(prometheus_url, expression):
    """The result of an instant query: list of (labels, value)."""
    answer = HTTP.get(f"{prometheus_url}/api/v1/query", params={"query": expression}, timeout=10).json()
    assert answer["status"] == "success", answer
    return [(entry["metric"], float(entry["value"][1])) for entry in answer["data"]["result"]]


def test_every_target_is_up(prometheus):
    def targets():
        return HTTP.get(f"{prometheus}/api/v1/targets", timeout=10).json()["data"]["activeTargets"]

    wait_until(lambda: len(targets()) == 7 and all(target["health"] == "up" for target in targets()), 30,
               lambda: [(target["scrapeUrl"], target["health"], target["lastError"]) for target in targets()])


def test_shard_metrics_can_be_queried(prometheus, cluster):
    def shards_by_node():
        found = query(prometheus, 'count by (node) (warren_shard_messages_ready{exchange="shard.web", vhost="/"})')
        return {labels["node"]: value for labels, value in found}

    wait_until(lambda: shards_by_node() == dict.fromkeys(cluster.names, 2.0), 30, shards_by_node)
    wait_until(lambda: sum(value for _, value in query(prometheus, 'warren_shard_consumers{exchange="shard.web"}'))
               >= SHARDS, 30, "every shard has a consumer")


def test_requests_show_in_the_proxys_and_the_workers_metrics(prometheus):
    for job in ("warren-proxy", "warren-worker"):
        wait_until(lambda: sum(value for _, value in query(  # pylint: disable-next=cell-var-from-loop
            prometheus, f'{{__name__=~"warren_.*requests_total", job="{job}"}}')) >= 30, 30, f"30 requests counted by {job}")


def endpoints(system):
    """Each endpoint of ours."""
    return [system["coordinator"], system["proxy"], system["gateway"], *system["workers"]]


def test_promtool_finds_nothing_wrong_with_any_endpoint(system):
    for program in endpoints(system):
        result = subprocess.run(["promtool", "check", "metrics"], input=program.metrics_text(), capture_output=True,
                                text=True, check=False, timeout=120)
        assert result.returncode == 0, f"{program.name}: {result.stdout}{result.stderr}"


def test_every_metric_has_our_prefix_or_is_about_the_process(system):
    for program in endpoints(system):
        names = {name for name, _, _ in samples(program.metrics_text())}
        assert any(name.startswith("warren_") for name in names)
        assert all(name.startswith(("warren_", "process_")) for name in names), names


def dashboard_queries():
    """Every expression of the published dashboards, with the variable filled in."""
    panels = []
    for name in ("dashboard.json", "streams.json"):
        with open(os.path.join(REPOSITORY, "deploy", "prometheus", name), encoding="utf-8") as text:
            panels += json.load(text)["panels"]
    return [target["expr"].replace("$exchange", ".*") for panel in panels for target in panel["targets"]]


def test_rules_and_dashboards_work_on_this_systems_metrics(prometheus):
    def rules():
        groups = HTTP.get(f"{prometheus}/api/v1/rules", timeout=10).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]
    wait_until(lambda: rules() and all(rule["health"] == "ok" for rule in rules()), 40, rules)
    wait_until(lambda: query(prometheus, 'warren:proxy_request_seconds:p99_1m{phase="queue"}'), 40, "latencies are there")
    assert not [rule["name"] for rule in rules() if rule.get("state") == "firing"]
    for expression in dashboard_queries():
        # A scrape that took too long leaves a gap in the gauges until the next.
        wait_until(lambda: "> 0" in expression or query(prometheus, expression), 40,  # pylint: disable=cell-var-from-loop
                   expression)
