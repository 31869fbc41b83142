"""warrenctl against real brokers: the original commands, plan and apply, and bad input."""

import csv
import io
import json

import pytest

EXCHANGE = "shard.logs_stream"


def table(ctl, *command):
    """The rows of a list command."""
    result = ctl("--formatter", "json", *command)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def define_original(ctl):
    """The commands of the original plugin's documentation, word for word."""
    ctl("set_parameter", "stream-definition", "my_stream",
        '{"local-username": "guest", "shards-per-node": 2, "routing-key": "1234"}', check=True)
    ctl("set_policy", "my_stream", r"^shard\.", '{"stream-definition": "my_stream"}', check=True)


def test_original_commands_write_the_documented_global_parameters(ctl, clean):
    define_original(ctl)
    ctl("set_parameter", "stream", "routing-key", '"4321"', check=True)
    found = {entry["name"]: entry["value"] for entry in clean.get("global-parameters")}
    assert found["stream-definition.my_stream"] == {"local-username": "guest", "shards-per-node": 2,
                                                    "routing-key": "1234"}
    assert found["stream-policy.%2F.my_stream"] == {"pattern": r"^shard\.", "priority": 0, "apply-to": "exchanges",
                                                    "definition": {"stream-definition": "my_stream"}}
    assert found["stream.routing-key"] == "4321"


def test_apply_makes_six_shards_each_on_its_node_and_bound_once_with_weight_one(cluster, ctl, clean):
    define_original(ctl)
    clean.declare_exchange(EXCHANGE)
    clean.declare_exchange("other.exchange")
    assert len(table(ctl, "plan")) == 12
    assert not clean.shards(EXCHANGE), "plan changes nothing"

    result = ctl("apply")
    assert (result.returncode, result.stderr) == (0, "")
    expected = {f"stream: {EXCHANGE} - {node} - {index}": node for node in cluster.names for index in (0, 1)}
    assert {name: queue["node"] for name, queue in clean.shards(EXCHANGE).items()} == expected
    bindings = clean.bindings(EXCHANGE)
    assert sorted(binding["destination"] for binding in bindings) == sorted(expected)
    assert {binding["routing_key"] for binding in bindings} == {"1"}
    assert not clean.bindings("other.exchange")

    assert table(ctl, "plan") == []
    again = ctl("apply")
    assert again.returncode == 0 and "Nothing to do" in again.stdout
    assert clean.bindings(EXCHANGE) == bindings


def test_lists_show_streams_shards_and_nodes_in_three_formats(cluster, ctl, clean):
    define_original(ctl)
    clean.declare_exchange(EXCHANGE)
    ctl("apply", check=True)
    stream, = table(ctl, "list_streams")
    assert (stream["exchange"], stream["policy"], stream["definition"]) == (EXCHANGE, "my_stream", "my_stream")
    assert (stream["shards"], stream["active"], stream["state"]) == (6, 6, "ready")
    shards = table(ctl, "list-shards", EXCHANGE)
    assert len(shards) == 6 and {(shard["routing_key"], shard["bound_key"]) for shard in shards} == {("1234", "1")}
    assert {node["name"] for node in table(ctl, "list_nodes")} == set(cluster.names)

    rows = list(csv.DictReader(io.StringIO(ctl("--formatter=csv", "list_shards", check=True).stdout)))
    assert [row["queue"] for row in rows] == [shard["queue"] for shard in shards]
    text = ctl("-q", "list_shards", check=True).stdout.splitlines()
    assert len(text) == 7 and text[0].startswith("vhost") and all(shards[0]["vhost"] == line[0] for line in text[1:])


def test_vhost_chooses_the_policy_and_limits_lists(ctl, clean):
    define_original(ctl)
    clean.put("vhosts/team")
    clean.put("permissions/team/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    clean.declare_exchange(EXCHANGE)
    clean.declare_exchange(EXCHANGE, vhost="team")
    ctl("-p", "team", "set-policy", "--priority", "7", "mine", "^shard", '{"stream-definition": "my_stream"}', check=True)
    assert {(row["vhost"], row["name"], row["priority"]) for row in table(ctl, "list_policies")} == {
        ("/", "my_stream", 0), ("team", "mine", 7)}
    assert [row["vhost"] for row in table(ctl, "--vhost", "team", "list_streams")] == ["team"]
    ctl("-p", "team", "apply", check=True)
    assert len(clean.shards(EXCHANGE, "team")) == 6 and not clean.shards(EXCHANGE)
    ctl("-p", "team", "clear_policy", "mine", check=True)
    assert [row["name"] for row in table(ctl, "list_policies")] == ["my_stream"]


def test_policies_directory_is_a_source_beside_the_broker(ctl, clean, tmp_path):
    (tmp_path / "web.json").write_text(json.dumps({
        "stream-definition.web": {"shards-per-node": 1},
        "stream-policy.%2F.web": {"pattern": "^web$", "definition": {"stream-definition": "web"}}}))
    clean.declare_exchange("web", "x-random")
    ctl("--policies-dir", tmp_path, "apply", check=True)
    assert len(clean.shards("web")) == 3
    (tmp_path / "bad.json").write_text('{"stream-definition.bad": ')
    result = ctl("--policies-dir", tmp_path, "apply")
    assert result.returncode == 65 and "bad.json" in result.stderr


def test_list_parameters_shows_no_drained_nodes(ctl, clean):
    clean.set_global("stream-node.gone@host", {"drain": True})
    clean.set_global("stream.routing-key", "7")
    assert [(row["component"], row["name"]) for row in table(ctl, "list_parameters")] == [("stream", "routing-key")]


def test_a_policy_without_its_definition_is_written_with_a_warning(ctl, clean):
    result = ctl("set_policy", "early", "^early", '{"stream-definition": "later"}')
    assert result.returncode == 0 and "'later'" in result.stderr and "Warning" in result.stderr
    assert any(entry["name"] == "stream-policy.%2F.early" for entry in clean.get("global-parameters"))
    clean.declare_exchange("early.one")
    assert ctl("apply").returncode == 3


def test_other_streams_go_on_beside_one_that_cannot(ctl, clean):
    define_original(ctl)
    ctl("set_parameter", "stream-definition", "foreign", '{"local-username": "nobody"}', check=True)
    ctl("set_policy", "foreign", "^foreign", '{"stream-definition": "foreign"}', check=True)
    clean.declare_exchange(EXCHANGE)
    clean.declare_exchange("foreign.one")
    clean.declare_exchange("shard.copies", "fanout")
    result = ctl("apply")
    assert result.returncode == 3
    assert "nobody" in result.stderr and "shard.copies" in result.stderr
    assert len(clean.shards(EXCHANGE)) == 6 and not clean.shards("foreign.one") and not clean.shards("shard.copies")


def test_a_queue_that_is_there_with_other_properties_is_left_alone(cluster, ctl, clean):
    define_original(ctl)
    clean.declare_exchange(EXCHANGE)
    name = f"stream: {EXCHANGE} - {cluster.names[0]} - 0"
    clean.put(f"queues/%2F/{name.replace(' ', '%20')}", {"durable": False, "arguments": {}})
    result = ctl("apply")
    assert result.returncode == 3 and name in result.stderr, result.stderr
    assert clean.queues()[name]["durable"] is False and len(clean.bindings(EXCHANGE)) == 5


def test_a_locator_policy_that_moves_queues_is_an_error_that_names_it(ctl, clean):
    define_original(ctl)
    clean.put("policies/%2F/locate", {"pattern": "^stream: ", "apply-to": "queues",
                                      "definition": {"queue-master-locator": "min-masters"}})
    try:
        clean.declare_exchange(EXCHANGE)
        result = ctl("apply")
        if {queue["node"] == name.split(" - ")[1] for name, queue in clean.shards(EXCHANGE).items()} == {True}:
            assert result.returncode == 0  # The locator happened to choose every node that was asked for.
        else:
            assert result.returncode == 3 and result.stderr
    finally:
        clean.delete("policies/%2F/locate")


BAD_DEFINITIONS = [
    ('{"shards-per-node": 2', "line 1"),
    ('{"shards-per-node": 2, "shards-per-node": 3}', "shards-per-node"),
    ('{"shard-per-node": 2}', "shard-per-node"),
    ('{"shards-per-node": 0}', "1 to 1024"),
    ('{"shards-per-node": -1}', "1 to 1024"),
    ('{"shards-per-node": 1.5}', "1 to 1024"),
    ('{"shards-per-node": "2"}', "1 to 1024"),
    ('{"shards-per-node": 1e9}', "1 to 1024"),
    ("[]", "object"),
    ("", ""),
]


@pytest.mark.parametrize("value,words", BAD_DEFINITIONS)
def test_a_bad_definition_is_refused_and_nothing_is_written(ctl, clean, value, words):
    result = ctl("set_parameter", "stream-definition", "bad", value)
    assert result.returncode == 65
    assert result.stderr.startswith("Error: ") and "'bad'" in result.stderr and words in result.stderr
    assert not [entry for entry in clean.get("global-parameters") if entry["name"].startswith("stream")]


@pytest.mark.parametrize("arguments,exit_code,words", [
    (("set_parameter", "stream", "shards-per-node", "-1"), 65, "1 to 1024"),
    (("set_parameter", "stream", "shard-count", "1"), 65, "shard-count"),
    (("set_parameter", "streams", "routing-key", "1"), 64, "stream-definition or stream"),
    (("set_parameter", "stream-definition", "x"), 64, "COMPONENT NAME VALUE"),
    (("set_policy", "p", "(", '{"stream-definition": "x"}'), 65, "regular expression"),
    (("set_policy", "p", "^x", '{"stream-definition": 1}'), 65, "stream-definition"),
    (("set_policy", "p", "^x", '{"stream": "x"}'), 65, "stream"),
    (("set_policy", "-p", "nowhere", "p", "^x", '{"stream-definition": "x"}'), 69, "'nowhere'"),
    (("set_policy", "--apply-to", "queues", "p", "^x", '{"stream-definition": "x"}'), 64, "exchanges"),
    (("set_policy", "--priority", "high", "p", "^x", '{"stream-definition": "x"}'), 64, "high"),
    (("clear_policy", "nothing"), 69, "'nothing'"),
    *((("--vhost", "nowhere", command), 69, "'nowhere'") for command in (
        "apply", "plan", "status", "list_streams", "list_shards", "list_policies", "export")),
    (("clear_parameter", "stream-definition", "nothing"), 69, "'nothing'"),
    (("list_shards", "no.such.exchange"), 69, "'no.such.exchange'"),
    (("list_stream",), 64, "'list_streams'"),
    (("--formatter", "xml", "list_nodes"), 64, "xml"),
    (("--no-such-option", "list_nodes"), 64, "--no-such-option"),
    ((), 64, "command"),
])
def test_bad_arguments_have_their_exit_code_and_a_message(ctl, arguments, exit_code, words):
    result = ctl(*arguments)
    assert (result.returncode, result.stdout) == (exit_code, "")
    assert result.stderr.startswith("Error: ") and words in result.stderr


def test_help_and_version_need_no_broker(programs):
    version = programs.ctl(None, "--version")
    assert version.returncode == 0 and version.stdout.startswith("warrenctl ")
    whole = programs.ctl(None, "--help")
    assert whole.returncode == 0 and "set_parameter" in whole.stdout and "--management" in whole.stdout
    one = programs.ctl(None, "set-policy", "--help")
    assert one.returncode == 0 and "NAME PATTERN DEFINITION" in one.stdout
