"""docs/openapi.yaml and the coordinator's REST API hold to each other: every resource, method, parameter, status, field
and document of the one is that of the other. Live answers of three coordinators of one broker: one that everybody on
the machine may use, one that asks for a token, one whose broker misbehaves.
"""

import base64
import hashlib
import json
import os
import re
import socket
import subprocess

import jsonschema
import pytest

from support.openapi import DOCUMENT, Contract, ask, fill
from support.ports import REPOSITORY, free_port
from support.rest_stand import EXCHANGE, TOKEN, Stand
from support.waiting import wait_until

CLUSTER_NODES = 1
CLUSTER_STATISTICS_MS = 1000

DASHBOARD = os.path.join(REPOSITORY, "tests", "integration", "support", "dashboard.js")
PAGE = os.path.join(REPOSITORY, "docs", "rest.md")
CONTRACT = Contract()
SECURED = CONTRACT.documenting(401)
ALL = sorted(CONTRACT.operations)
GETS = [name for name in ALL if name[0] == "GET"]


@pytest.fixture(name="stand", scope="module")
def stand_(cluster, module_programs, tmp_path_factory):
    stand = Stand(CONTRACT, cluster, module_programs, tmp_path_factory.mktemp("rest"))
    yield stand
    stand.relay.close()


@pytest.fixture(name="stream")
def stream_(stand, management):
    """The stream of the document's examples, written through the API, ready; taken away again."""
    management.declare_exchange(EXCHANGE)
    for name in ("PUT", "/api/v1/definitions/{name}"), ("PUT", "/api/v1/policies/{vhost}/{name}"):
        assert stand.call(name).status in (200, 201)

    name = ("GET", "/api/v1/streams/{vhost}/{exchange}")

    def ready():
        answer = stand.call(name)
        return answer.status == 200 and answer.json()["state"] == "ready" and answer.json()
    yield wait_until(ready, 60, lambda: f"the stream is ready: {stand.call(name).body}")
    management.clean()
    wait_until(lambda: not stand.call(("GET", "/api/v1/streams")).json()["total"], 30, "the stream is gone")


def test_the_document_is_whole():
    document = CONTRACT.document
    assert document["openapi"].startswith("3.1.")
    identities = [operation["operationId"] for operation in CONTRACT.operations.values()]
    assert len(identities) == len(set(identities))
    for name in ALL:
        assert set(re.findall(r"\{(\w+)\}", name[1])) == set(CONTRACT.parameters(name, "path")), name
        assert ("security" in CONTRACT.operations[name]) == (name not in SECURED), name
        text, schema = CONTRACT.example_body(name)
        if text is not None:
            CONTRACT.validator(schema).validate(json.loads(text))
    for entry in document["components"]["parameters"].values():
        CONTRACT.validator(entry["schema"]).validate(entry["example"])
    with open(DOCUMENT, encoding="utf-8") as text:
        references = re.findall(r"\$ref: '#/components/(\w+/\w+)'", text.read())
    defined = {f"{kind}/{name}" for kind, entries in document["components"].items() for name in entries}
    assert set(references) == defined - {"securitySchemes/token"}


def test_every_schema_is_valid_and_closed():
    for name, schema in CONTRACT.document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        if "properties" in schema and not name.endswith("Fields"):
            closed = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
            assert closed is False, f"{name} is open"
        assert set(schema.get("required", ())) <= set(schema.get("properties", ())), name


def test_what_the_program_serves_is_what_the_document_has(stand):
    index = CONTRACT.hold(("GET", "/api/v1"), 200, stand.call(("GET", "/api/v1")))
    assert index["version"] == CONTRACT.document["info"]["version"]
    served = {(method, entry["path"]) for entry in index["resources"] for method in entry["methods"]}
    assert served == set(ALL)


def test_every_list_and_document_is_as_described_and_could_not_change_unnoticed(stand, stream):
    CONTRACT.validator("Stream").validate(stream)
    assert len(stream["shards"]) == 2 and stream["spec"]["routing_key"] == "1234"
    for name in GETS:
        if name[1] == "/":
            continue
        document = CONTRACT.hold(name, 200, stand.call(name))
        schema = CONTRACT.resolve(CONTRACT.operations[name]["responses"]["200"])["content"]["application/json"]["schema"]
        holes = CONTRACT.holes(document, schema)
        assert holes == (["reason may be missing"] if name[1] == "/readyz" and "reason" in document else []), name
    for component, document in (("Shard", stream["shards"][0]), ("Condition", stream["conditions"][0]),
                                ("StreamSpec", stream["spec"]), ("Observation", stream["observation"])):
        assert not CONTRACT.holes(document, component), component
    with open(PAGE, encoding="utf-8") as text:
        explained = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", text.read().partition("## Recent events")[2]))
    def kinds():
        return {event["kind"] for event in stand.call(("GET", "/api/v1/events")).json()["events"]}
    wait_until(lambda: "applied" in kinds(), 20, kinds)
    assert kinds() <= explained
    assert stand.call(("GET", "/api/v1/shards"), query="state=active&limit=1").json()["total"] == 2
    assert stand.call(("GET", "/api/v1/shards"), query="limit=1&offset=1").json()["shards"][0]["index"] == 1


def test_what_is_written_is_answered_as_described_and_read_back(stand, management):
    for kind in ("definitions/{name}", "policies/{vhost}/{name}"):
        path = f"/api/v1/{kind}"
        example = json.loads(CONTRACT.example_body(("PUT", path))[0])
        written = CONTRACT.hold(("PUT", path), 201, stand.call(("PUT", path), named="a/b ä"))
        assert written["value"] == example and written["name"] == "a/b ä"
        CONTRACT.hold(("PUT", path), 200, stand.call(("PUT", path), named="a/b ä"))
        read = wait_until(lambda path=path: (answer := stand.call(("GET", path), named="a/b ä")).status == 200 and answer, 20)
        assert CONTRACT.hold(("GET", path), 200, read)["value"] == example
        CONTRACT.hold(("DELETE", path), 204, stand.call(("DELETE", path), named="a/b ä"))
        CONTRACT.hold(("DELETE", path), 404, stand.call(("DELETE", path), named="a/b ä"))
        wait_until(lambda path=path: stand.call(("GET", path), named="a/b ä").status == 404, 20)
    assert not [entry for entry in management.get("global-parameters") if "a/b" in entry["name"]]


def test_actions_are_answered_as_described(stand, stream):
    assert stream["ready"]
    drain = "/api/v1/nodes/{name}/drain"
    assert CONTRACT.hold(("POST", drain), 200, stand.call(("POST", drain)))["drain"] is True
    assert CONTRACT.hold(("DELETE", drain), 200, stand.call(("DELETE", drain)))["drain"] is False
    CONTRACT.hold(("POST", "/api/v1/reconcile"), 202, stand.call(("POST", "/api/v1/reconcile")))
    refused = CONTRACT.hold(("POST", "/api/v1/reconcile"), 409, stand.call(("POST", "/api/v1/reconcile"), stand.token,
                                                                           Authorization=f"Bearer {TOKEN}"))
    assert f"127.0.0.1:{stand.open}" in refused["detail"]


def test_what_is_not_there_is_404(stand):
    names = CONTRACT.documenting(404)
    assert len(names) == 7
    for method, path in names:
        if "/nodes/" in path:
            CONTRACT.hold((method, path), 404, ask(stand.open, method, fill(path, name="rabbit@nowhere")))
        elif method == "PUT":  # Of a policy: the virtual host.
            answer = ask(stand.open, method, fill(path, vhost="none", name="x"), CONTRACT.example_body((method, path))[0],
                         Content_Type="application/json")
            CONTRACT.hold((method, path), 404, answer)
        else:
            CONTRACT.hold((method, path), 404, ask(stand.open, method, fill(path, vhost="/", exchange="none", name="none")))
    for target in ("/api", "/api/v1/", "/api/v1/assignment", "/api/v1/streams/x", "//", "/api/v1/definitions/"):
        answer = ask(stand.open, "GET", target)
        assert answer.status == 404 and answer.json()["status"] == 404, answer


def test_other_methods_are_405_with_those_that_there_are(stand):
    for path in CONTRACT.document["paths"]:
        own = [name for name in ALL if name[1] == path]
        allowed = {name[0] for name in own} | {"OPTIONS"} | ({"HEAD"} if ("GET", path) in own else set())
        for method in {"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "TRACE", "BREW"} - allowed:
            answer = stand.call(own[0], method=method)
            if method == "HEAD":
                assert answer.status == 405 and not answer.body, answer
            else:
                CONTRACT.hold(own[0], 405, answer)
            assert set(answer.fields["allow"].split(", ")) == allowed, answer
        options = stand.call(own[0], method="OPTIONS", Origin=f"http://127.0.0.1:{stand.open}",
                             Access_Control_Request_Method="PUT")
        assert options.status == 204 and not options.body and "content-length" not in options.fields, options
        assert set(options.fields["allow"].split(", ")) == allowed, options
        assert not [field for field in options.fields if field.startswith("access-control")], options


def test_head_is_get_without_content(stand, stream):
    assert stream["ready"]
    for name in GETS:
        answer = stand.call(name, method="HEAD")
        assert answer.status == 200 and not answer.body and int(answer.fields["content-length"]) > 0, answer
        got = stand.call(name)
        assert answer.fields.keys() == got.fields.keys(), (answer, got)


def test_queries_are_those_of_the_document_alone(stand):
    for name in CONTRACT.documenting(400):
        problem = CONTRACT.hold(name, 400, stand.call(name, query="nonsense=1"))
        listed = problem["detail"].partition("there are: ")[2]
        assert set(listed.split(", ")) == (set(CONTRACT.parameters(name, "query")) or {"none"}), name
        for key, parameter in CONTRACT.parameters(name, "query").items():
            CONTRACT.hold(name, 400, stand.call(name, query=f"{key}=1&{key}=1"))
            CONTRACT.hold(name, 200, stand.call(name, query=f"{key}={parameter['example']}"))
            if parameter["schema"].get("type") == "integer":
                CONTRACT.hold(name, 400, stand.call(name, query=f"{key}={parameter['schema']['maximum'] + 1}"))
                CONTRACT.hold(name, 400, stand.call(name, query=f"{key}={parameter['schema']['minimum'] - 1}"))


def test_content_is_refused_where_it_does_not_belong_or_is_wrong(stand):
    with_content = [name for name in ALL if "requestBody" in CONTRACT.operations[name]]
    assert CONTRACT.documenting(415) == CONTRACT.documenting(422) == with_content
    for name in ALL:
        if name not in with_content:
            CONTRACT.hold(name, 400, stand.call(name, body="{}"))
            continue
        CONTRACT.hold(name, 415, stand.call(name, Content_Type="text/plain"))
        CONTRACT.hold(name, 422, stand.call(name, body='{"shards-per-node": 0}'))
        for text in ("", "{", '{"priority": 1, "priority": 2}', "[" * 100 + "]" * 100):
            CONTRACT.hold(name, 400, stand.call(name, body=text))


def test_what_is_too_long_is_refused(stand):
    large = b"x" * (1024 * 1024 + 1)
    for name in CONTRACT.documenting(413):
        CONTRACT.hold(name, 413, stand.call(name, body=large))
        CONTRACT.hold(name, 431, stand.call(name, X_Long="x" * 20_000))
    assert CONTRACT.documenting(431) == CONTRACT.documenting(413) == ALL
    assert CONTRACT.documenting(414) == sorted(name for name in ALL if CONTRACT.parameters(name, "path"))
    for name in CONTRACT.documenting(414):
        target = fill(name[1], vhost="v", exchange="x" * 9_000, name="x" * 9_000)
        CONTRACT.hold(name, 414, ask(stand.open, name[0], target))
    answer = ask(stand.open, "PUT", "/api/v1/definitions/x", iter([large]), Content_Type="application/json")
    assert answer.status == 413, answer  # In chunks: nobody said how long it would be.
    with socket.create_connection(("127.0.0.1", stand.open), 10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_whoever_takes_another_type_gets_406(stand):
    assert CONTRACT.documenting(406) == ALL
    for name in ALL:
        CONTRACT.hold(name, 406, stand.call(name, Accept="image/png, */*;q=0"))
    for name in GETS:
        assert stand.call(name, Accept="application/json, text/html;q=0.5").status in (200, 404), name


def test_pages_of_other_origins_get_403(stand):
    assert CONTRACT.documenting(403) == ALL
    for name in ALL:
        CONTRACT.hold(name, 403, stand.call(name, Origin="http://evil.example"))
        CONTRACT.hold(name, 403, stand.call(name, Host="evil.example"))


def test_without_the_token_everything_but_the_open_resources_is_401(stand):
    for name in ALL:
        for fields in ({}, {"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="}, {"Authorization": f"Bearer {TOKEN}x"}):
            answer = stand.call(name, stand.token, **fields)
            if name not in SECURED:
                assert answer.status == 200, answer
                continue
            CONTRACT.hold(name, 401, answer)
            assert ("invalid_token" in answer.fields["www-authenticate"]) == ("x" in str(fields)), answer
    assert ask(stand.token, "GET", "/api/v1/nothing").status == 401
    for name in [name for name in GETS if not CONTRACT.parameters(name, "path")]:
        CONTRACT.hold(name, 200, stand.call(name, stand.token, Authorization=f"Bearer {TOKEN}", Host="warren.example"))


def test_a_token_is_needed_where_others_can_reach_the_api(cluster, programs, tmp_path):
    short = tmp_path / "token"
    short.write_text("short")
    short.chmod(0o600)
    for arguments, remedy in (((), "loopback"), (("--token-file", short), "openssl rand"),
                              (("--token-file", tmp_path / "none"), "token")):
        ended = programs.run("warren-coordinator", "--management", cluster.management[0], "--listen", "0.0.0.0:0",
                             "--metrics-listen", "127.0.0.1:0", *arguments)
        assert ended.returncode == 78 and remedy in ended.stderr, ended


def test_warrenctl_shows_the_token(cluster, programs, stand, tmp_path):
    at = ("--coordinator", f"http://127.0.0.1:{stand.token}")
    refused = programs.ctl(cluster, "status", *at)
    assert refused.returncode == 78 and "--token-file" in refused.stderr, refused
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    for command in ("status", "events"):
        assert programs.ctl(cluster, command, *at, "--token-file", secret).returncode == 0


def test_what_a_file_overrides_is_409(stand):
    names = CONTRACT.documenting(409)
    names.remove(("POST", "/api/v1/reconcile"))
    assert len(names) == 4
    for name in names:
        problem = CONTRACT.hold(name, 409, stand.call(name, named="of_file"))
        assert "file.json" in problem["detail"]


def test_a_coordinator_that_follows_says_who_acts(stand):
    streams = ("GET", "/api/v1/streams")
    seen = CONTRACT.hold(streams, 200, stand.call(streams, stand.relayed))["observation"]
    assert (seen["role"], seen["leader"]) == ("follower", stand.call(streams).json()["observation"]["leader"])
    CONTRACT.hold(("POST", "/api/v1/reconcile"), 409, stand.call(("POST", "/api/v1/reconcile"), stand.relayed))


@pytest.mark.parametrize("mode, status", [("error500", 503), ("html", 502), ("nothing", 504)])
def test_a_broker_that_misbehaves_is_told_of(stand, mode, status):
    names = CONTRACT.documenting(502)
    assert names == CONTRACT.documenting(504) == sorted(set(CONTRACT.documenting(503)) - {("GET", "/readyz")})
    stand.relay.mode = mode
    try:
        for name in names if mode != "nothing" else names[:1]:
            CONTRACT.hold(name, status, stand.call(name, stand.relayed))
    finally:
        stand.relay.mode = "pass"


def test_before_the_first_look_nothing_is_written(programs):
    port = free_port()
    programs.start("warren-coordinator", "--management", f"http://127.0.0.1:{free_port()}", "--listen", f"127.0.0.1:{port}",
                   ready=False)

    def answers():
        try:
            return ask(port, "GET", "/healthz").status == 200
        except OSError:
            return False
    wait_until(answers, 20, "the REST API answers")
    CONTRACT.hold(("GET", "/readyz"), 503, ask(port, "GET", "/readyz"))
    path = "/api/v1/definitions/{name}"
    CONTRACT.hold(("PUT", path), 503, ask(port, "PUT", fill(path, name="x"), "{}", Content_Type="application/json"))
    listed = CONTRACT.hold(("GET", "/api/v1/streams"), 200, ask(port, "GET", "/api/v1/streams"))
    assert listed["observation"]["observed_at"] is None and listed["total"] == 0


def test_the_dashboard_is_one_page_whose_policy_lets_its_own_script_run(stand):
    answer = stand.call(("GET", "/"), Accept="text/html")
    CONTRACT.hold(("GET", "/"), 200, answer)
    page = answer.body.decode()
    for tag in ("script", "style"):
        text, = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in answer.fields["content-security-policy"]
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|url\(|@import|\son\w+=""", page)
    for path in re.findall(r'get\("(\w+)', page):
        assert ("GET", f"/api/v1/{path}") in GETS


def test_the_dashboard_shows_the_cluster_and_asks_for_the_token(stand, stream, tmp_path):
    script = tmp_path / "script.js"
    script.write_text(re.findall("<script>(.*?)</script>", stand.call(("GET", "/")).body.decode(), re.DOTALL)[0])

    def shown(port, *token):
        ended = subprocess.run(["node", DASHBOARD, script, f"http://127.0.0.1:{port}", *token], check=True, timeout=90,
                               stdout=subprocess.PIPE, text=True)
        return json.loads(ended.stdout)
    page = shown(stand.open)
    assert page["streams"][0][:5] == ["/", EXCHANGE, "ready", "my_stream", f"2 of {len(stream['shards'])}"]
    assert page["nodes"][0][:2] == [stand.node, "running"] and page["range"] == "1 to 1 of 1"
    assert "applied" in [row[1] for row in page["events"]] and page["login"] is None
    refused = shown(stand.token, "wrong" + TOKEN)
    assert "token" in refused["trouble"] and refused["login"] is not None and not refused.get("streams")
    wait_until(lambda: shown(stand.token, TOKEN)["streams"][0][1] == EXCHANGE, 20, "the other coordinator sees the stream, too")


def test_examples_of_the_page_on_the_rest_api_fit():
    with open(PAGE, encoding="utf-8") as text:
        page = text.read()
    examples = re.findall(r"<!-- schema: (\w+) -->\n```json\n(.*?)```", page, re.DOTALL)
    assert len(examples) == page.count("```json") >= 3
    for schema, example in examples:
        CONTRACT.validator(schema).validate(json.loads(example))
    for method, path in ALL:
        assert f"`{method} {path}" in page, f"docs/rest.md does not have {method} {path}"
