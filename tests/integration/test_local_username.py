"""Streams that are declared by users of their own, with the privileges that docs/policies.md asks for and not one more;
whatever is wrong with such a user spoils the streams that name it alone."""

import json

import pytest
import requests

from support import amqp
from support.management import ManagementApi, part
from support.status import get, stream
from support.waiting import always, wait_until

CLUSTER_NODES = 2
CLUSTER_STATISTICS_MS = 1000
OWN = "^(stream: |warren\\.)"
USERS = ("warren", "alice", "bob", "carol")
QUICK = ["--interval", "500ms", "--statistics-interval", "1s"]


def permit(api, user, vhost, configure="^$", write="^$", read="^$"):
    """Permissions of a user in a vhost."""
    api.put(f"permissions/{part(vhost)}/{user}", {"configure": configure, "write": write, "read": read})


@pytest.fixture(name="api")
def fixture_api(clean):
    """The management API of a cluster with a coordinator's user and three of streams, each with its least privileges."""
    clean.put("users/warren", {"password": "w", "tags": "policymaker,monitoring"})
    permit(clean, "warren", "/")  # Nothing, but it may look: the management API shows no vhost without it.
    for user in ("alice", "bob", "carol"):
        clean.put(f"users/{user}", {"password": f"{user}-secret", "tags": ""})
        permit(clean, user, "/", OWN, OWN, rf"^(stream: |warren\.|{user}\.)")
        clean.define_stream(user, {"local-username": user, "shards-per-node": 2}, rf"^{user}\.")
        clean.declare_exchange(f"{user}.x")
    yield clean
    for user in USERS:
        clean.delete(f"users/{user}")


@pytest.fixture(name="secrets")
def fixture_secrets(tmp_path):
    """write(alice="…", …) writes the credentials file; returns its path."""
    def write(mode=0o600, **passwords):
        path = tmp_path / "credentials.json"
        path.touch(0o600)
        path.write_text(json.dumps(passwords))
        path.chmod(mode)
        return path
    return write


@pytest.fixture(name="start")
def fixture_start(cluster, api, programs, tmp_path):
    """start(file): a coordinator as user warren, which may declare, bind and read nothing."""
    password = tmp_path / "password"
    password.write_text("w\n")
    password.chmod(0o600)
    assert api.nodes()

    def run(path, *arguments, **options):
        return programs.coordinator(cluster, *QUICK, "--user", "warren", "--password-file", password,
                                    *(["--credentials-file", path] if path else []), *arguments, **options)
    return run


def ready(program, exchange):
    """Whether the stream is ready."""
    return stream(program, exchange)["ready"]


def reasons(program, exchange):
    """Reason -> message of the stream's conditions."""
    return {entry["reason"]: entry["message"] for entry in stream(program, exchange)["conditions"]}


def shards_made_by(cluster, user):
    """Queues that the broker's log or API attribute to the user cannot be told apart; connections can."""
    api = ManagementApi(cluster.management[0])
    return [entry for entry in api.get("connections?columns=user,client_properties")
            if entry["user"] == user
            and entry.get("client_properties", {}).get("connection_name") == "warren-coordinator"]


def test_each_stream_is_declared_by_its_user_with_the_least_privileges(cluster, api, secrets, start):
    path = secrets(alice="alice-secret", bob="bob-secret", carol="carol-secret")
    program = start(path)
    for user in ("alice", "bob", "carol"):
        api.wait_shards(f"{user}.x", 4)
        wait_until(lambda user=user: ready(program, f"{user}.x"), 20, program.log_tail)
        wait_until(lambda user=user: shards_made_by(cluster, user), 20)
    # Growth, shrinking with deletion, and http's dead letters need no more than that.
    api.define_stream("alice", {"local-username": "alice", "shards-per-node": 3}, r"^alice\.")
    api.wait_shards("alice.x", 6)
    api.define_stream("alice", {"local-username": "alice", "shards-per-node": 1}, r"^alice\.")
    api.wait_shards("alice.x", 2)
    api.define_stream("bob", {"local-username": "bob", "shards-per-node": 1, "http": True}, r"^bob\.")
    wait_until(lambda: {entry["arguments"].get("x-dead-letter-exchange") for entry in api.wait_shards("bob.x", 2).values()}
               == {"warren.dead"}, 60, lambda: [stream(program, "bob.x"), program.log_tail()])
    wait_until(lambda: ready(program, "bob.x"), 20)
    for secret in ("alice-secret", "bob-secret", "carol-secret"):
        assert secret not in program.log() + json.dumps(get(program, "streams")) + json.dumps(get(program, "events"))


@pytest.mark.parametrize("case", ["password", "unknown", "permission", "missing"])
def test_what_is_wrong_with_a_user_spoils_its_stream_alone(api, secrets, start, case):
    passwords = {"alice": "alice-secret", "bob": "bob-secret", "carol": "carol-secret"}
    words = {"password": "ACCESS_REFUSED", "unknown": 'local-username "bob"', "permission": "403", "missing": "bob"}[case]
    if case == "password":
        passwords["bob"] = "wrong-secret"
    if case == "unknown":
        del passwords["bob"]
    if case == "permission":
        permit(api, "bob", "/", OWN, OWN, r"^(stream: |warren\.)")
    if case == "missing":
        api.delete("users/bob")
    program = start(secrets(**passwords))
    for user in ("alice", "carol"):
        api.wait_shards(f"{user}.x", 4)
        wait_until(lambda user=user: ready(program, f"{user}.x"), 20, program.log_tail)
    told = "UnknownUser" if case == "unknown" else "ApplyFailed"
    wait_until(lambda: told in reasons(program, "bob.x"), 20, lambda: stream(program, "bob.x"))
    assert words in reasons(program, "bob.x")[told] or case in ("password", "missing"), reasons(program, "bob.x")
    always(lambda: not ready(program, "bob.x") and ready(program, "alice.x"), 1)
    assert "wrong-secret" not in program.log() + json.dumps(get(program, "streams"))
    assert get(program, "streams/%2F/bob.x")["state"] in ("not-ready", "degraded")
    # Put right, it goes on by itself.
    if case == "missing":
        api.put("users/bob", {"password": "bob-secret", "tags": ""})
    permit(api, "bob", "/", OWN, OWN, r"^(stream: |warren\.|bob\.)")
    secrets(**(passwords | {"bob": "bob-secret"}))
    api.wait_shards("bob.x", 4)
    wait_until(lambda: ready(program, "bob.x"), 20, program.log_tail)


def test_a_password_that_changes_is_followed_without_a_restart(cluster, api, secrets, start):
    path = secrets(alice="alice-secret", bob="bob-secret", carol="carol-secret")
    program = start(path)
    api.wait_shards("alice.x", 4)
    api.put("users/alice", {"password": "another-secret", "tags": ""})
    secrets(alice="another-secret", bob="bob-secret", carol="carol-secret")
    api.declare_exchange("alice.y")
    api.wait_shards("alice.y", 4)
    wait_until(lambda: ready(program, "alice.y"), 20)
    path.write_text('{"alice": "half')  # What was read before stays.
    wait_until(lambda: str(path) in json.dumps(get(program, "streams")["problems"]), 20)
    api.declare_exchange("alice.z")
    api.wait_shards("alice.z", 4)
    secrets(alice="another-secret", bob="bob-secret", carol="carol-secret")
    wait_until(lambda: not get(program, "streams")["problems"], 20)
    wait_until(lambda: shards_made_by(cluster, "alice"), 20)  # The broker lists connections from its statistics.
    assert program.running()


def test_a_file_that_others_may_read_or_that_is_none_is_refused_at_the_start(cluster, api, secrets, programs, tmp_path):
    assert api.nodes()

    def refused(path):
        result = programs.run("warren-coordinator", "--once", "--management", cluster.management[0],
                              "--credentials-file", path)
        assert result.returncode == 78 and str(path) in result.stderr, result
        assert "alice-secret" not in result.stderr + result.stdout
        return result.stderr
    assert "chmod o-rwx" in refused(secrets(0o644, alice="alice-secret"))
    assert "regular file" in refused(tmp_path)
    assert "opened" in refused(tmp_path / "none.json")
    half = tmp_path / "half.json"
    half.touch(0o600)
    half.write_text('{"alice": "alice-secret"')
    assert "JSON object" in refused(half)


def test_a_file_that_is_opened_to_others_meanwhile_is_a_problem_and_the_passwords_stay(api, secrets, start):
    path = secrets(alice="alice-secret", bob="bob-secret", carol="carol-secret")
    program = start(path)
    api.wait_shards("alice.x", 4)
    path.chmod(0o644)
    wait_until(lambda: "chmod o-rwx" in json.dumps(get(program, "streams")["problems"]), 20)
    api.declare_exchange("alice.more")
    api.wait_shards("alice.more", 4)
    path.chmod(0o600)
    wait_until(lambda: not get(program, "streams")["problems"], 20)


def test_a_user_of_a_stream_may_do_nothing_else(cluster, api):
    assert api.nodes()
    with pytest.raises(requests.HTTPError):
        ManagementApi(cluster.management[0], "alice", "alice-secret").get("queues")
    with amqp.connect(cluster.amqp[0], user="alice", password="alice-secret") as connection:
        with pytest.raises(Exception, match="ACCESS_REFUSED"):
            connection.channel().queue_declare("orders")
