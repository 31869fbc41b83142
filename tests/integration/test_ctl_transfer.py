"""warrenctl export and import, and the completion of its command line."""

import json
import os
import subprocess

import pytest

from support.processes import binary, program_environment

CLUSTER_NODES = 1
SETTINGS = {
    "stream-definition.web": {"shards-per-node": 2, "queue": {"type": "quorum", "arguments": {}}},
    "stream-policy.%2F.web": {"pattern": "^web\\.", "priority": 3, "definition": {"stream-definition": "web"}},
    "stream.routing-key": "17",
}


@pytest.fixture(name="write")
def fixture_write(tmp_path):
    """write(value) makes a file of text or JSON; returns its path."""
    def make(value):
        path = tmp_path / "settings.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path
    return make


def stored(clean):
    """Warren's global parameters, by name; the broker writes an empty object as an empty list."""
    return {entry["name"]: json.loads(json.dumps(entry["value"]).replace("[]", "{}"))
            for entry in clean.get("global-parameters") if entry["name"].startswith("stream")}


def outcomes(ctl, *arguments):
    """name -> outcome of an import."""
    return {row["name"]: row["outcome"] for row in json.loads(
        ctl("--formatter", "json", "import", *arguments, check=True).stdout)}


def test_export_writes_what_import_reads_and_nothing_changes(cluster, ctl, clean, write):
    for name, value in SETTINGS.items():
        clean.set_global(name, value)
    clean.set_global(f"stream-node.{cluster.names[0]}", {"drain": True})
    clean.set_global("warren-test", 1)
    exported = ctl("export", check=True).stdout
    assert json.loads(exported) == SETTINGS
    assert outcomes(ctl, write(exported)) == dict.fromkeys(SETTINGS, "unchanged")


def test_import_creates_changes_and_leaves_alone(ctl, clean, write):
    clean.set_global("stream.routing-key", "9")
    clean.set_global("stream.shards-per-node", 4)
    path = write(SETTINGS)
    expected = {"stream-definition.web": "created", "stream-policy.%2F.web": "created", "stream.routing-key": "changed"}
    assert outcomes(ctl, "--dry-run", path) == expected
    assert stored(clean) == {"stream.routing-key": "9", "stream.shards-per-node": 4}
    assert outcomes(ctl, path) == expected
    assert stored(clean) == SETTINGS | {"stream.shards-per-node": 4}
    assert outcomes(ctl, path) == dict.fromkeys(SETTINGS, "unchanged")


def test_export_as_definitions_is_imported_by_rabbitmqctl(cluster, ctl, clean, write):
    for name, value in SETTINGS.items():
        clean.set_global(name, value)
    definitions = json.loads(ctl("export", "--as", "definitions", check=True).stdout)
    assert list(definitions) == ["global_parameters"]
    path = write(definitions)
    for name in SETTINGS:
        clean.clear_global(name)
    os.chmod(path.parent, 0o755)
    cluster.ctl(0, "import_definitions", str(path))
    assert stored(clean) == SETTINGS
    assert outcomes(ctl, path) == dict.fromkeys(SETTINGS, "unchanged")


def test_import_takes_warrens_part_of_a_whole_export_of_the_broker(ctl, clean, write):
    for name, value in SETTINGS.items():
        clean.set_global(name, value)
    clean.declare_exchange("plain")
    clean.set_global("stream-node.rabbit@elsewhere", {"drain": True})
    whole = clean.get("definitions")
    assert whole["exchanges"] and whole["users"]
    path = write(whole)
    clean.clean()
    result = ctl("import", path)
    assert result.returncode == 0, result.stderr
    assert "of others are left out" in result.stdout
    assert "left out: 'rabbit@elsewhere'; 'warrenctl drain_node'" in result.stdout
    assert stored(clean) == SETTINGS
    assert not [entry for entry in clean.get("exchanges/%2F?columns=name") if entry["name"] == "plain"]


def test_import_reads_standard_input(cluster, clean):
    command = [binary("warrenctl"), "--management", cluster.management[0], "import", "-"]
    result = subprocess.run(command, input=json.dumps(SETTINGS), text=True, capture_output=True, timeout=30,
                            env=program_environment(), check=False)
    assert result.returncode == 0, result.stderr
    assert stored(clean) == SETTINGS


def test_export_keeps_to_the_virtual_host_that_is_named(ctl, clean):
    clean.put("vhosts/team")
    for name, value in SETTINGS.items():
        clean.set_global(name, value)
    clean.set_global("stream-policy.team.mine", SETTINGS["stream-policy.%2F.web"])
    assert [name for name in json.loads(ctl("--vhost", "team", "export", check=True).stdout)
            if name.startswith("stream-policy")] == ["stream-policy.team.mine"]


def test_export_leaves_out_what_import_would_refuse(ctl, clean, write):
    for name, value in SETTINGS.items():
        clean.set_global(name, value)
    clean.set_global("stream.shards-per-node", 0)
    clean.set_global("stream-policy.%2", {})
    result = ctl("export")
    assert result.returncode == 3 and result.stderr.count("it is left out") == 2, result.stderr
    assert json.loads(result.stdout) == SETTINGS
    assert outcomes(ctl, write(result.stdout)) == dict.fromkeys(SETTINGS, "unchanged")
    definitions = ctl("export", "--as", "definitions")
    assert "'stream.shards-per-node'" in definitions.stderr, definitions.stderr
    names = {entry["name"] for entry in json.loads(definitions.stdout)["global_parameters"]}
    assert names == {*SETTINGS, "stream.shards-per-node"}


def test_a_policy_without_its_definition_is_imported_with_a_warning(ctl, clean, write):
    result = ctl("import", write({"stream-policy.%2F.web": SETTINGS["stream-policy.%2F.web"]}))
    assert result.returncode == 0 and "'web'" in result.stderr and "no effect" in result.stderr
    assert list(stored(clean)) == ["stream-policy.%2F.web"]


@pytest.mark.parametrize("value,words", [
    ("", "JSON"),
    ('{"stream.routing-key": "1"', "line 1"),
    ("[]", "JSON object"),
    ({"routing-key": "1"}, "routing-key"),
    ({"stream.routing-key": "1", "stream.shard-count": 1}, "shard-count"),
    ({"stream.routing-key": "1", "stream-definition.x": {"shards-per-node": 0}}, "1 to 1024"),
    ({"stream.routing-key": "1", "stream-policy.%2F.x": {"pattern": "("}}, "stream policy 'x'"),
    ({"stream.routing-key": "1", "stream-policy.%2.x": {}}, "percent"),
    ({"stream.routing-key": "1", "stream-policy.nowhere.x": {"pattern": "x", "definition": {
        "stream-definition": "web"}}}, "'nowhere'"),
    ({"global_parameters": [{"name": "stream.routing-key", "value": "1"}, {"name": "stream.shards-per-node",
                                                                            "value": 0}]}, "1 to 1024"),
    ({"global_parameters": {}}, "global_parameters"),
    ('{"stream.routing-key": "1", "stream.routing-key": "2"}', "routing-key"),
])
def test_a_file_that_is_wrong_anywhere_changes_nothing(ctl, clean, write, value, words):
    result = ctl("import", write(value))
    assert result.returncode in (65, 69) and result.stdout == "", result.stdout
    assert "Error: " in result.stderr and words in result.stderr and "settings.json" in result.stderr, result.stderr
    assert not stored(clean)


def test_every_fault_of_a_file_is_named(ctl, write):
    result = ctl("import", write({"stream.shards-per-node": 0, "stream-definition.x": {"shards": 1},
                                  "stream-definition.y": 1}))
    assert result.returncode == 65 and result.stderr.count("Error: ") == 3, result.stderr


@pytest.mark.parametrize("arguments,exit_code,words", [
    (("import", "/no/such/file.json"), 65, "/no/such/file.json"),
    (("import",), 64, "FILE"),
    (("export", "--as", "yaml"), 64, "definitions"),
    (("apply", "--dry-run"), 64, "import"),
    (("import", "--as", "warren", "x"), 64, "export"),
    (("completion", "tcsh"), 64, "zsh"),
    (("completion",), 64, "bash|zsh|fish"),
    (("delete_stream",), 64, "EXCHANGE"),
    (("status", "--interval", "1ms"), 64, "--interval"),
    (("list_nodes", "--watch"), 64, "status"),
    (("status", "--coordinator", "nonsense"), 64, "URL"),
])
def test_bad_arguments_have_their_exit_code_and_a_message(ctl, arguments, exit_code, words):
    result = ctl(*arguments)
    assert (result.returncode, result.stdout) == (exit_code, "")
    assert result.stderr.startswith("Error: ") and words in result.stderr, result.stderr


def complete(programs, folder, *words):
    """What bash offers for the last of the words; COMP_WORDBREAKS separates = and : as the shell does."""
    script = folder / "completion.bash"
    script.write_text(programs.ctl(None, "completion", "bash", check=True).stdout)
    subprocess.run(["bash", "-n", script], check=True, timeout=10)
    line = " ".join(["warrenctl", *words])
    code = ('source "$1"; shift; COMP_LINE=$1; COMP_POINT=${#1}; shift; COMP_WORDS=("$@"); '
            'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _warrenctl; printf "%s\\n" "${COMPREPLY[@]}"')
    parts = ["warrenctl"]
    for word in words:
        parts += split_as_bash_does(word)
    result = subprocess.run(["bash", "-c", code, "bash", script, line, *parts], cwd=folder, capture_output=True,
                            text=True, timeout=10, check=True)
    assert result.stderr == "", result.stderr
    return [word for word in result.stdout.splitlines() if word]


def split_as_bash_does(word):
    """Breaks a word at = and :."""
    parts, current = [], ""
    for character in word:
        if character in "=:":
            parts += [current, character] if current else [character]
            current = ""
        else:
            current += character
    return parts + [current] if current or not parts or parts[-1] not in "=:" else parts


@pytest.mark.parametrize("words,offered", [
    (["pur"], ["purge_stream"]),
    (["--management", "http://127.0.0.1:15672", "--formatter", "json", "undr"], ["undrain_node"]),
    (["--formatter=json", "undr"], ["undrain_node"]),
    (["--formatter", ""], ["table", "json", "csv"]),
    (["list_nodes", "--formatter=", ], ["table", "json", "csv"]),
    (["list_nodes", "--formatter=c"], ["csv"]),
    (["completion", ""], ["bash", "zsh", "fish"]),
    (["completion", "bash", ""], []),
    (["set-parameter", "stream-"], ["stream-definition"]),
    (["delete_stream", "--pur"], ["--purge"]),
    (["list_nodes", "--pur"], []),
    (["export", "--as", "d"], ["definitions"]),
    (["import", "--dry-run", "set"], ["settings.json"]),
    (["--policies-dir", "fol"], ["folder"]),
    (["--vhost", "x"], []),
])
def test_bash_completes(programs, tmp_path, words, offered):
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "folder").mkdir()
    assert complete(programs, tmp_path, *words) == offered


def test_bash_offers_every_command_and_every_common_option(programs, tmp_path):
    text = programs.ctl(None, "--help", check=True).stdout
    commands = [line.split()[0] for line in text.split("Commands:\n")[1].split("\n\n")[0].splitlines()]
    assert complete(programs, tmp_path, "") == commands and len(commands) > 15
    assert {"--management", "--vhost", "--quiet"} <= set(complete(programs, tmp_path, "--"))


def test_zsh_offers_common_options_behind_every_command(programs):
    arguments = programs.ctl(None, "completion", "zsh", check=True).stdout.split("case ${words[1]//-/_} in\n")[1]
    for command in ("list_nodes", "list_streams", "drain_node", "completion"):
        block = arguments.split(f"        {command})\n")[1].split(";;")[0]
        assert "'--formatter=[" in block and "'-p[" in block, block
        assert ("'--wait[" in block) == (command == "drain_node"), block


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_of_other_shells_name_every_command_and_option(programs, shell):
    script = programs.ctl(None, "completion", shell, check=True).stdout
    text = programs.ctl(None, "--help", check=True).stdout
    missing = [line.split()[0] for line in text.split("Commands:\n")[1].split("\n\n")[0].splitlines()
               if line.split()[0] not in script]
    options = [word for word in text.split() if word.startswith("--") and word.strip("-,").isidentifier()]
    missing += [option for option in options if option.strip("-,") not in script]
    assert not missing and options, missing
