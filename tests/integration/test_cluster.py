"""The local cluster itself: what every other integration test stands on."""

import json
import os
import signal
import subprocess

import pytest

from support.cluster import SCRIPT, Cluster
from support.management import ManagementApi
from support.ports import answers
from support.waiting import wait_until

CLUSTER_NODES = 3
HEALTHY_WITHIN_S = 300


def script(*arguments):
    """Runs the script for itself, without the fixture; fails with what it complained of."""
    result = subprocess.run([SCRIPT, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                            timeout=HEALTHY_WITHIN_S + 60)
    assert result.returncode == 0, f"{arguments[0]}: {result.stderr}"
    return result.stdout


def processes_of(folder):
    """Pids whose HOME is the cluster's folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environment:
                if b"HOME=" + folder.encode() in environment.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            continue
    return found


def brokers_of(folder):
    """Pids of the nodes that are recorded in the cluster's state, as soon as they are."""
    entries = json.loads(script("status", "--dir", folder, "--json"))["nodes"]
    return [entry["pid"] for entry in entries if entry["pid"]]


def listening_addresses(pids):
    """Local IPv4 addresses that these processes listen on."""
    inodes = set()
    for pid in pids:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = []
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and columns[9] in inodes:
                found.append(columns[1].partition(":")[0])
    return found


def test_every_listener_is_on_loopback(cluster):
    addresses = listening_addresses(processes_of(cluster.folder))
    assert len(addresses) >= 4 * 3 + 1
    assert set(addresses) == {"0100007F"}


def test_two_clusters_run_side_by_side_and_do_not_see_each_other(cluster):
    other = Cluster(nodes=2)
    try:
        assert len(ManagementApi(other.management[0]).nodes()) == 2
        assert len(ManagementApi(cluster.management[0]).nodes()) == 3
    finally:
        other.stop()
    assert not os.path.exists(other.folder)
    assert not processes_of(other.folder)
    assert all(ManagementApi(cluster.management[0]).nodes().values())


def test_a_killed_node_comes_back_with_its_ports_and_its_data(cluster):
    api = ManagementApi(cluster.management[0])
    api.put("queues/%2F/kept", {"durable": True, "node": cluster.names[1]})
    before = cluster.status()["nodes"][1]
    cluster.kill(1)
    assert not cluster.status()["nodes"][1]["running"]
    wait_until(lambda: not api.nodes()[cluster.names[1]], 30, "the others notice")
    cluster.start_node(1)
    after = cluster.status()["nodes"][1]
    assert after["ports"] == before["ports"] and after["pid"] != before["pid"]
    wait_until(lambda: api.queues()["kept"]["state"] == "running", 30, "its queue is back")


def test_a_node_that_is_restarted_is_whole_again(cluster):
    cluster.restart(2)
    assert ManagementApi(cluster.management[2]).nodes() == dict.fromkeys(cluster.names, True)


def test_a_node_joins_and_is_forgotten(cluster):
    assert cluster.join() == "rabbit4@localhost"
    assert len(ManagementApi(cluster.management[3]).nodes()) == 4
    cluster.forget(3)
    assert sorted(ManagementApi(cluster.management[0]).nodes()) == cluster.names
    assert not os.path.exists(os.path.join(cluster.folder, "rabbit4"))


def test_a_node_in_maintenance_refuses_clients_until_it_is_revived(cluster):
    port = int(cluster.amqp[1].rpartition(":")[2])
    cluster.drain(1)
    assert not answers(port)
    assert ManagementApi(cluster.management[0]).nodes()[cluster.names[1]], "it runs on"
    cluster.revive(1)
    assert answers(port)
    wait_until(lambda: ManagementApi(cluster.management[1]).nodes() == dict.fromkeys(cluster.names, True), 30)


def test_ctl_and_diagnostics_reach_the_node_asked_for(cluster):
    assert cluster.names[1] in cluster.ctl(1, "-q", "eval", "node().")
    assert "running" in cluster.command("diagnostics", "2", "-q", "is_running")


def test_a_cluster_that_is_kept_starts_again_with_its_data(tmp_path):
    folder = str(tmp_path / "kept")
    start = ["start", "--dir", folder, "--with-parent", str(os.getpid()), "--timeout", str(HEALTHY_WITHIN_S)]
    script(*start)
    try:
        url = json.loads(script("status", "--dir", folder, "--json"))["nodes"][0]["management"]
        ManagementApi(url).declare_exchange("kept")
        script("stop", "--keep", "--dir", folder)
        assert not processes_of(folder)
        script(*start)
        assert ManagementApi(url).get("exchanges/%2F/kept")["type"] == "x-consistent-hash"
    finally:
        script("stop", "--dir", folder)
    assert not os.path.exists(folder) and not processes_of(folder)


def test_a_node_that_ends_while_it_starts_again_is_given_another_try(tmp_path):
    folder = str(tmp_path / "kept")
    start = ["start", "--nodes", "1", "--dir", folder, "--with-parent", str(os.getpid()), "--timeout", str(HEALTHY_WITHIN_S)]
    script(*start)
    try:
        script("stop", "--keep", "--dir", folder)
        # pylint: disable-next=consider-using-with
        starter = subprocess.Popen([SCRIPT, *start], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_until(lambda: brokers_of(folder), 60, "the broker starts")
        first = brokers_of(folder)[0]
        os.kill(first, signal.SIGKILL)
        output, _ = starter.communicate(timeout=HEALTHY_WITHIN_S + 60)
        assert starter.returncode == 0, output
        assert first not in brokers_of(folder)
    finally:
        script("stop", "--dir", folder)


def test_run_gives_addresses_and_the_exit_code_and_leaves_nothing(tmp_path):
    file = tmp_path / "environment"
    result = subprocess.run([SCRIPT, "run", "--nodes", "1", "--", "sh", "-c", f"env >{file}; exit 7"],
                            check=False, timeout=2 * HEALTHY_WITHIN_S)
    assert result.returncode == 7
    variables = dict(line.split("=", 1) for line in file.read_text().splitlines() if line.startswith("WARREN_TEST_"))
    assert variables["WARREN_TEST_NODES"] == "rabbit1@localhost"
    assert not os.path.exists(variables["WARREN_TEST_CLUSTER_DIR"])
    assert not processes_of(variables["WARREN_TEST_CLUSTER_DIR"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_run_leaves_nothing_when_it_is_killed(tmp_path, number):
    file = tmp_path / "folder"
    # pylint: disable-next=consider-using-with
    runner = subprocess.Popen([SCRIPT, "run", "--nodes", "1", "--", "sh", "-c",
                               f'echo "$WARREN_TEST_CLUSTER_DIR $$" >{file}.new; mv {file}.new {file}; sleep 600'])
    wait_until(file.exists, HEALTHY_WITHIN_S, "the command runs")
    folder, pid = file.read_text().split()
    assert processes_of(folder)
    runner.send_signal(number)
    runner.wait(60)
    wait_until(lambda: not processes_of(folder) and not os.path.exists(folder), 30, "everything is gone")
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 30, "the command is gone")


def test_mistakes_are_named(tmp_path):
    def complaint(*arguments):
        result = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert result.returncode in (1, 64) and "Traceback" not in result.stderr
        return result.stderr

    assert "no cluster in" in complaint("--dir", str(tmp_path / "nothing"), "status")
    assert "1 to 50" in complaint("start", "--nodes", "0", "--dir", str(tmp_path / "new"))
    (tmp_path / "file").write_text("mine")
    assert "not empty" in complaint("start", "--dir", str(tmp_path))
    assert (tmp_path / "file").exists()
    assert "invalid choice" in complaint("explode")


def test_an_unknown_node_is_named_with_those_there_are(cluster):
    result = subprocess.run([SCRIPT, "--dir", cluster.folder, "kill", "rabbit9"], capture_output=True, text=True,
                            check=False, timeout=60)
    assert result.returncode == 1 and "rabbit1, rabbit2, rabbit3" in result.stderr
