"""The contract for others says what the code does: no drift, and every example is valid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from gateway.commands.command import CommandSpec
from gateway.commands.handlers.registry import COMMANDS
from gateway.mqtt import topic_tree
from gateway.mqtt.payloads.event import GAP
from gateway.mqtt.topic_tree import LEVELS, TOPIC_SPECS
from gateway.mqtt.topics import Topics, parse_topic
from tests.contract.__main__ import stale
from tests.contract.asyncapi import document as asyncapi
from tests.contract.document import HERE
from tests.contract.examples import EXAMPLES, text_of, tree_of
from tests.contract.kinds import KINDS
from tests.contract.schemas import MODELS, args_schema, schemas

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
RTC = ("rtc.gateway/1", "rtc.viewer/1")
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


@pytest.mark.parametrize("channel", TOPIC_SPECS, ids=lambda each: str(each.name))
def test_every_topic_has_a_schema_and_an_example(channel: topic_tree.TopicSpec) -> None:
    """But for the topic of the schemas themselves."""
    if channel is topic_tree.SCHEMA:
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
        ("rtc.viewer/1", {"k": "offer"}),
        ("rtc.viewer/1", {"k": "answer", "s": 1, "t": 1, "ep": 1, "sdp": "v=0"}),
        ("rtc.gateway/1", {"k": "answer", "sdp": "v=0"}),
        ("inv.cams/1", {}),
        ("inv.nvr/1", {"t": 1, "ep": 1, "n": 1, "rev": 1, "sha": "x", "items": 5}),
        ("health.cams/1", {"t": 1, "ep": 1, "n": 1}),
        ("cam.state/1", {"t": 1, "ep": 1, "n": 1}),
    ],
)
def test_a_wrong_payload_is_not_valid(schema: str, payload: dict[str, Any]) -> None:
    """The schemas can say no."""
    assert not Draft202012Validator(SCHEMAS[schema]).is_valid(payload)


FREE = {
    "health.cams/1": ("/rows/0/6", "/rows/1/16", "/rows/1/22"),  # null here, a number there
    "alarm/1": ("/args",),
    "inv.log/1": ("/old", "/new"),
    "config.desired/1": ("/doc",),  # of a schema of its own
    "cmd/1": ("/args",),  # likewise
    "rsp/1": ("/res",),
}
"""What a schema says nothing about."""


def places(node: object, at: str = "") -> Iterator[str]:
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield f"{at}/{key}"
            yield from places(value, f"{at}/{key}")


def corrupt(node: Any, at: str) -> Any:
    """Return *node* with something of another type *at* a place."""
    if not at:
        return 7.5 if isinstance(node, dict | list | str | bool | None) else {"not": ["this"]}
    step, _, rest = at[1:].partition("/")
    further = f"/{rest}" if rest else ""
    if isinstance(node, list):
        number = int(step)
        return [corrupt(each, further) if i == number else each for i, each in enumerate(node)]
    return {key: corrupt(each, further) if key == step else each for key, each in node.items()}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_schema_refuses_another_type_at_every_place(example: str) -> None:
    """Whatever value of a payload is of a wrong type, its schema sees it."""
    schema, _ = EXAMPLES[example]
    validator, whole = Draft202012Validator(SCHEMAS[schema]), tree_of(example)

    taken = [at for at in places(whole) if validator.is_valid(corrupt(whole, at))]

    assert [at for at in taken if not at.startswith(FREE.get(schema, ()))] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_payload_without_its_head_is_not_valid(example: str) -> None:
    """What a gateway says has its epoch and, but for presence, time and number."""
    schema, _ = EXAMPLES[example]
    whole = tree_of(example)
    said_by_gateway = {each.schema for each in TOPIC_SPECS if each.name.startswith("up/")}
    head = {"ep"} if schema == "presence/1" else {"t", "ep", "s" if schema in RTC else "n"}

    for key in head if schema in said_by_gateway else ():
        shortened = {name: value for name, value in whole.items() if name != key}
        assert not Draft202012Validator(SCHEMAS[schema]).is_valid(shortened), key


def sourceless(node: object, at: str = "") -> Iterator[str]:
    """Yield the values that do not stand under a source, but for names of things."""
    if isinstance(node, dict):
        if "src" not in node:
            for key, value in node.items():
                if key not in ("id", "profile"):
                    yield from sourceless(value, f"{at}/{key}")
    elif isinstance(node, list):
        for number, each in enumerate(node):
            yield from sourceless(each, f"{at}/{number}")
    else:
        yield at


@pytest.mark.parametrize("section", [*topic_tree.INVENTORY, "contacts"])
def test_every_value_of_the_inventory_says_where_it_came_from(section: str) -> None:
    """It or the row it stands in has ``src``."""
    example = "contacts" if section == "contacts" else f"inv.{section}"
    held = {k: v for k, v in tree_of(example).items() if k not in ("t", "ep", "n", "rev", "sha")}

    assert held
    assert list(sourceless(held)) == []


def test_every_kind_of_event_is_listed() -> None:
    """What the code tells as events is what the contract names, and nothing else."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "gateway").rglob("*.py"))
    told = set(re.findall(r'\bEvent\(\s*"([a-z.]+)"', code)) - {"inventory"}

    assert told | {GAP} == set(KINDS)


def refs(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


def test_the_asyncapi_document_is_one() -> None:
    """By the official JSON Schema of AsyncAPI 3.0.0, its MQTT bindings included."""
    official = json.loads((HERE / "asyncapi-3.0.0.schema.json").read_text(encoding="utf-8"))

    Draft7Validator(official).validate(DOCUMENT)

    assert not Draft7Validator(official).is_valid({**DOCUMENT, "channels": {"x": {"topic": "x"}}})


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
    assert len(found) > 2 * len(TOPIC_SPECS)


def test_the_asyncapi_document_has_every_topic_once() -> None:
    """A topic made of a channel's address by its parameters is read as that channel."""
    addresses = [each["address"] for each in DOCUMENT["channels"].values()]
    filled = {"prov": "79", "gw": "hcm-q1-01", "cam": "c07", "viewer": "v-op17", "group": "all"}
    filled |= {"sid": "01JD7Q3T8M0V", "key": "cam.c07.down", "requester": "op17"}
    filled |= {"cid": "x1", "stream": "s1", "name": "snapshot", "ver": "1"}

    assert len(set(addresses)) == len(TOPIC_SPECS)
    assert filled.keys() == LEVELS.keys()
    for address, channel in zip(addresses, TOPIC_SPECS, strict=True):
        place = parse_topic(re.sub(r"\{(\w+)\}", lambda found: filled[found[1]], address))
        assert place is not None
        assert place.spec is channel


@pytest.mark.parametrize("spec", COMMANDS, ids=lambda each: str(each.name))
def test_every_command_is_in_the_contract(spec: CommandSpec) -> None:
    """Its arguments have a schema that lets nothing else pass, and docs/mqtt.md has its row."""
    schema = SCHEMAS[args_schema(spec)]
    row = rf"^\| `{re.escape(spec.name)}` \| .*\| {'yes' if spec.signed else 'no'} \|"

    assert schema["additionalProperties"] is False
    assert re.search(row, (DOCS / "mqtt.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_gateway_listens_where_the_document_says() -> None:
    """What is received by the gateway lies below its filters."""
    own = Topics("79", "hcm-q1-01")
    received = [each for each in TOPIC_SPECS if not each.name.startswith("up/")]
    heads = {each.name.split("/")[0] for each in received}

    assert heads == {"dn", "ctl"}
    assert any(each.endswith("/dn/#") for each in own.subscriptions)
    assert DOCUMENT["operations"]["dnCmdName"]["reply"]["address"]["location"].endswith(
        "responseTopic"
    )
