"""docs/openapi.yaml as something answers can be held to: its operations, and whether an answer is one of theirs.

Requests go through http.client, which sends paths and fields as they are given.
"""

import http.client
import json
import os
import re

import jsonschema
import yaml

from .management import part
from .ports import REPOSITORY

DOCUMENT = os.path.join(REPOSITORY, "docs", "openapi.yaml")
METHODS = ("get", "put", "post", "delete", "patch", "trace")


class Answer:
    """One answer: `status`, `fields` by lower-case name, `body` as bytes."""

    def __init__(self, request, response):
        self.request, self.status, self.body = request, response.status, response.read()
        self.fields = {name.lower(): value for name, value in response.getheaders()}
        assert len(self.fields) == len(response.getheaders()), f"{request}: a field twice: {response.getheaders()}"

    def json(self):
        """The JSON document; a key given twice is an error."""
        def no_doubles(pairs):
            assert len(dict(pairs)) == len(pairs), f"{self.request}: a key twice in {pairs}"
            return dict(pairs)
        return json.loads(self.body, object_pairs_hook=no_doubles)

    def __str__(self):
        return f"{self.request}: {self.status} {self.fields} {self.body[:500]!r}"


def ask(port, method, target, body=None, **fields):
    """Sends one request to a port of this machine. Names of fields have '_' for '-'."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        sent = {name.replace("_", "-"): value for name, value in fields.items()}
        connection.request(method, target, body=body, headers=sent)
        return Answer(f"{method} {target[:200]}", connection.getresponse())
    finally:
        connection.close()


class Contract:
    """The document. Operations are named (METHOD, path)."""

    def __init__(self):
        with open(DOCUMENT, encoding="utf-8") as text:
            self.document = yaml.safe_load(text)
        self.resolver = jsonschema.RefResolver(f"file://{DOCUMENT}", self.document)
        self.operations = {(method.upper(), path): operation for path, item in self.document["paths"].items()
                           for method, operation in item.items() if method in METHODS}

    def resolve(self, thing):
        """What a $ref stands for; anything else as it is."""
        return self.resolver.resolve(thing["$ref"])[1] if "$ref" in thing else thing

    def documenting(self, status):
        """Operations that may answer so, sorted."""
        return sorted(name for name, operation in self.operations.items() if str(status) in operation["responses"])

    def parameters(self, name, place):
        """Parameters of an operation in "path" or "query", by name."""
        item = self.document["paths"][name[1]]
        listed = item.get("parameters", []) + self.operations[name].get("parameters", [])
        return {entry["name"]: entry for entry in map(self.resolve, listed) if entry["in"] == place}

    def example_body(self, name):
        """The example of an operation's content as (text, its schema); (None, None) where it takes none."""
        if "requestBody" not in self.operations[name]:
            return None, None
        content = self.resolve(self.operations[name]["requestBody"])["content"]["application/json"]
        return json.dumps(content["example"]), content["schema"]

    def validator(self, schema):
        """Validates against a schema of the document, or by the name of a component."""
        if isinstance(schema, str):
            schema = {"$ref": f"#/components/schemas/{schema}"}
        return jsonschema.Draft202012Validator(schema, resolver=self.resolver,
                                               format_checker=jsonschema.draft202012_format_checker)

    def hold(self, name, status, answer):
        """Asserts that the answer is the one that the operation documents for this status. Returns its JSON, if any."""
        assert answer.status == status, f"{name}: not {status}: {answer}"
        response = self.resolve(self.operations[name]["responses"][str(status)])
        for field, described in response.get("headers", {}).items():
            described = self.resolve(described)
            assert not described["required"] or field.lower() in answer.fields, f"{name}: no {field}: {answer}"
            if field.lower() in answer.fields:
                self.validator(described["schema"]).validate(answer.fields[field.lower()])
        assert not [field for field in answer.fields if field.startswith("access-control-")], answer
        if "content" not in response:
            assert not answer.body and "content-type" not in answer.fields, answer
            return None
        (content_type, content), = response["content"].items()
        assert answer.fields["content-type"] == content_type, answer
        assert int(answer.fields["content-length"]) == len(answer.body), answer
        if not content_type.endswith("json"):
            return None
        document = answer.json()
        self.validator(content["schema"]).validate(document)
        if content_type == "application/problem+json":
            assert document["status"] == status, answer
        return document

    def holes(self, document, schema):
        """Ways in which a document that fits could change unnoticed: fields that may be missing or may be added."""
        validator = self.validator(schema)
        found = [f"{key} may be missing" for key in document
                 if validator.is_valid({name: value for name, value in document.items() if name != key})]
        return found + (["anything may be added"] if validator.is_valid(document | {"not_described": 1}) else [])


def fill(path, **names):
    """A path with the names percent-encoded in the place of {…}."""
    return re.sub(r"\{(\w+)\}", lambda match: part(names[match.group(1)]), path)
