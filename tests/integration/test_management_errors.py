"""What warrenctl says when the management API cannot be reached, refuses, or answers nonsense."""

import pytest

CLUSTER_NODES = 1


def run(programs, url, *arguments, **options):
    """warrenctl with one management URL and a short timeout."""
    return programs.ctl(None, "--management", url, "--timeout", "5s", *arguments, **options)


@pytest.mark.parametrize("mode,exit_code,words", [
    ("error500", 69, ["status 500"]),
    ("html", 70, ["HTML", "--management"]),
    ("half", 69, ["middle of the answer"]),
    ("half_json", 70, ["JSON", "cut short"]),
    ("nothing", 75, ["within 5 s", "--timeout"]),
    ("cut", 69, ["closed"]),
])
@pytest.mark.parametrize("command", ["list_streams", "apply"])
def test_a_misbehaving_relay(cluster, programs, relay, mode, exit_code, words, command):
    made = relay(cluster.management[0], mode)
    result = run(programs, made.url, command)
    assert result.returncode == exit_code, result.stderr
    assert result.stderr.startswith("Error: ") and made.url in result.stderr and result.stdout == ""
    for word in words:
        assert word in result.stderr


def test_a_write_through_a_misbehaving_relay_fails_and_writes_nothing(clean, cluster, programs, relay):
    made = relay(cluster.management[0], "error500")
    result = run(programs, made.url, "set_parameter", "stream", "shards-per-node", "2")
    assert result.returncode == 69 and "stream.shards-per-node" in result.stderr
    assert not [entry for entry in clean.get("global-parameters") if entry["name"].startswith("stream")]


@pytest.mark.parametrize("url,exit_code,words", [
    ("http://127.0.0.1:1", 69, "refused"),
    ("http://no-such-host.invalid:15672", 69, "resolved"),
    ("ftp://127.0.0.1", 64, "URL"),
    ("http://me:secret@127.0.0.1", 64, "--user"),
])
def test_a_url_that_leads_nowhere(programs, url, exit_code, words):
    result = run(programs, url, "list_nodes")
    assert result.returncode == exit_code and words in result.stderr, result.stderr


def test_a_secret_in_a_url_is_not_shown(programs):
    assert "secret" not in run(programs, "http://me:secret@127.0.0.1:1", "list_nodes").stderr


def test_a_wrong_password(cluster, programs):
    result = run(programs, cluster.management[0], "list_nodes", env={"WARREN_PASSWORD": "wrong"})
    assert result.returncode == 78
    assert "'guest'" in result.stderr and "--password-file" in result.stderr and "wrong" not in result.stderr.split("password")[0]


def test_a_password_file_is_used_before_the_environment(cluster, programs, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("guest\n")
    secret.chmod(0o600)
    result = run(programs, cluster.management[0], "--password-file", secret, "list_nodes",
                 env={"WARREN_PASSWORD": "wrong"})
    assert result.returncode == 0, result.stderr
    missing = run(programs, cluster.management[0], "--password-file", tmp_path / "none", "list_nodes")
    assert missing.returncode == 78 and "none" in missing.stderr


@pytest.mark.parametrize("tags,command,words", [
    ("management", ("list_nodes",), "monitoring"),
    ("monitoring", ("list_parameters",), "policymaker"),
    ("", ("list_nodes",), "management"),
])
def test_a_missing_tag_is_named(clean, cluster, programs, tags, command, words):
    clean.put("users/small", {"password": "small", "tags": tags})
    result = run(programs, cluster.management[0], "--user", "small", *command, env={"WARREN_PASSWORD": "small"})
    clean.delete("users/small")
    assert result.returncode == 78 and words in result.stderr and "'small'" in result.stderr, result.stderr


def test_a_user_with_policymaker_and_monitoring_can_do_all(clean, cluster, programs):
    clean.put("users/small", {"password": "small", "tags": "policymaker,monitoring"})
    clean.put("permissions/%2F/small", {"configure": "^stream: ", "write": "^stream: ", "read": "^(stream: |shard)"})
    clean.declare_exchange("shard.web")
    small = {"env": {"WARREN_PASSWORD": "small"}}
    for command in (("set_parameter", "stream-definition", "web", "{}"),
                    ("set_policy", "web", "^shard", '{"stream-definition": "web"}'), ("apply",)):
        result = run(programs, cluster.management[0], "--user", "small", *command, **small)
        assert result.returncode == 0, result.stderr
    assert len(clean.shards("shard.web")) == 1
    clean.delete("users/small")


def test_the_next_url_is_tried_when_one_fails(cluster, programs, relay):
    made = relay(cluster.management[0], "html")
    result = programs.ctl(None, "--management", "http://127.0.0.1:1", "--management", made.url, "--management",
                          cluster.management[0], "list_nodes")
    assert result.returncode == 0, result.stderr
    both = programs.ctl(None, "--management", "http://127.0.0.1:1", "--management", made.url, "list_nodes")
    assert both.returncode == 69 and "refused" in both.stderr and "HTML" in both.stderr
