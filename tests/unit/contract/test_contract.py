"""The contract for others says what the code does: no drift, and every example is valid."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.agent.settings_commands import Name
from gateway.mqtt import tree
from gateway.mqtt.topics import Topics, parse
from gateway.mqtt.tree import CHANNELS, LEVELS
from tests.contract.__main__ import stale
from tests.contract.asyncapi import document as asyncapi
from tests.contract.examples import EXAMPLES, text_of, tree_of
from tests.contract.schemas import ARGS, MODELS, schemas

DOCS = Path(__file__).parents[3] / "docs"
SCHEMAS = schemas()
DOCUMENT = asyncapi()


def test_what_is_written_is_what_the_code_says() -> None:
    """`scripts/contract` would change nothing."""
    assert [path.name for path in stale()] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name: str) -> None:
    """Of JSON Schema 2020-12."""
    Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_valid_and_shown(example: str) -> None:
    """By its schema, and in docs/mqtt.md byte for byte."""
    schema, _ = EXAMPLES[example]

    Draft202012Validator(SCHEMAS[schema]).validate(tree_of(example))

    assert text_of(example) in (DOCS / "mqtt.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda each: str(each.name))
def test_every_topic_has_a_schema_and_an_example(channel: tree.Channel) -> None:
    """But for the topic of the schemas themselves."""
    if channel is tree.SCHEMA:
        assert channel not in MODELS
        return
    assert channel.schema in SCHEMAS
    assert channel.schema in {schema for schema, _ in EXAMPLES.values()}


@pytest.mark.parametrize(
    ("schema", "payload"),
    [
        ("presence/1", {"st": "away", "ep": 1}),
        ("health.site/1", {"t": 1, "ep": 1, "n": 1, "up": "long"}),
        ("config.desired/1", {"ver": 0}),
        ("cmd/1", {"id": "x", "actor": "op-17", "ttl_s": 30}),
        ("cmd.snapshot/1", {"cam": "c07", "width": 10}),
        ("rtc/1", {"k": "offer"}),
    ],
)
def test_a_wrong_payload_is_not_valid(schema: str, payload: dict[str, Any]) -> None:
    """The schemas can say no."""
    assert not Draft202012Validator(SCHEMAS[schema]).is_valid(payload)


def refs(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    """Inside it, or to a schema that is there."""
    found = set(refs(DOCUMENT))
    for ref in found:
        if ref.startswith("#/"):
            node: Any = DOCUMENT
            for step in ref[2:].split("/"):
                node = node[step]
        else:
            assert json.loads((DOCS / ref).read_text(encoding="utf-8"))["$id"]
    assert len(found) > 2 * len(CHANNELS)


def test_the_asyncapi_document_has_every_topic_once() -> None:
    """A topic made of a channel's address by its parameters is read as that channel."""
    addresses = [each["address"] for each in DOCUMENT["channels"].values()]
    filled = {"prov": "79", "gw": "hcm-q1-01", "cam": "c07", "viewer": "v-op17", "group": "all"}
    filled |= {"sid": "01JD7Q3T8M0V", "key": "cam.c07.down", "section": "nvr", "requester": "op17"}
    filled |= {"cid": "x1", "stream": "s1", "name": "snapshot", "ver": "1"}

    assert len(set(addresses)) == len(CHANNELS)
    assert filled.keys() == LEVELS.keys()
    for address, channel in zip(addresses, CHANNELS, strict=True):
        place = parse(re.sub(r"\{(\w+)\}", lambda found: filled[found[1]], address))
        assert place is not None
        assert place.channel is channel


def test_every_command_of_the_gateway_has_its_args() -> None:
    """What the settings may allow is what the contract lists."""
    assert set(ARGS) == set(typing.get_args(Name))


def test_the_gateway_listens_where_the_document_says() -> None:
    """What is received by the gateway lies below its filters."""
    own = Topics("79", "hcm-q1-01")
    received = [each for each in CHANNELS if not each.name.startswith("up/")]
    heads = {each.name.split("/")[0] for each in received}

    assert heads == {"dn", "ctl"}
    assert any(each.endswith("/dn/#") for each in own.inbox)
    assert DOCUMENT["operations"]["dnCmdName"]["reply"]["address"]["location"].endswith(
        "responseTopic"
    )
