"""Which documents may be rolled out: all others are refused with all that is wrong with them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config.load import load_settings
from gateway.config.secrets import Secrets
from gateway.config.signing import Keyring, sign
from gateway.model.errors import ConfigRejected, Fault, MessageRejected
from gateway.model.site_document import SiteConfig
from gateway.mqtt.payloads.config import Reported, parse_desired
from gateway.remote_config.document import DesiredConfig, parse_config
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import StoredConfig
from gateway.remote_config.validate import ConfigValidator
from gateway.runtime.clock import now_ms
from gateway.runtime.redact import Redactor
from tests.fixtures.clock import trusted_time
from tests.fixtures.desired import SigningHarness, site_tree
from tests.fixtures.site import write_settings

OLD = {"site": site_tree("c01")}
RUNNING = parse_config("config/2", OLD)


class ValidatorHarness:
    """A validator, and who signs the documents that it gets."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.signing = SigningHarness.trusted_in(folder / "trusted")
        self.rolled_back = 0
        loaded = load_settings(write_settings(folder, 1883, (), more=more))
        secrets = Secrets(loaded.secrets_folder, redactor=Redactor())
        keys = Keyring(loaded.resolve_path(loaded.remote.keys))
        self.validator = ConfigValidator(
            loaded,
            secrets,
            verify_signature=lambda tree: keys.verify(tree, "cfg"),
            time=trusted_time(),
        )

    def validate(
        self, version: int, doc: dict[str, Any], running: DesiredConfig = RUNNING, **fields: Any
    ) -> StoredConfig:
        """Verify and validate *doc* while version 4 runs."""
        message = self.signing.message(version, doc, **fields)
        verified = self.validator.verify(message.payload, message.content_type)
        confirmed = StoredConfig(parse_desired(self.signing.sign(4, OLD)), running)
        state = ConfigState(DesiredConfig(site=SiteConfig()), confirmed)
        state.last_rollback = Reported(version=self.rolled_back, state="rolled_back")
        return self.validator.validate(verified.document, state)

    def faults(self, version: int, doc: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
        with pytest.raises((ConfigRejected, MessageRejected)) as caught:
            self.validate(version, doc, **fields)
        assert isinstance(caught.value, ConfigRejected | MessageRejected)
        return [(fault.at, fault.code) for fault in caught.value.faults]


@pytest.fixture
def harness(tmp_path: Path) -> ValidatorHarness:
    return ValidatorHarness(tmp_path)


def test_a_good_document_may_be_tried(harness: ValidatorHarness) -> None:
    """Its site has its version."""
    stored = harness.validate(5, {"site": site_tree("c01", "c02")}, base=4)

    assert [camera.id for camera in stored.config.site.cameras] == ["c01", "c02"]
    assert stored.config.site.version == stored.version == 5


def test_all_faults_are_said_at_once(harness: ValidatorHarness) -> None:
    """With their places, those that only this machine knows among them."""
    site = site_tree("c01", "c02", nmae="x")
    site["cameras"][0]["streams"][0]["url"] = "htp://x"
    site["cameras"][1]["streams"][0]["stall_s"] = 1
    del site["cameras"][1]["name"]

    assert harness.faults(4, {"site": site}, base=3) == [
        ("/ver", "version.old"),
        ("/base", "version.base"),
        ("/doc/site/cameras/0/streams/0/url", "url.scheme"),
        ("/doc/site/cameras/1/name", "missing"),
        ("/doc/site/cameras/1/streams/0/stall_s", "range"),
        ("/doc/site/nmae", "unknown_key"),
    ]


def test_what_this_machine_may_not_open_is_refused(harness: ValidatorHarness) -> None:
    """Networks and secrets are its own."""
    site = site_tree("c01", "c02")
    site["cameras"][0]["streams"][0]["url"] = "rtsp://8.8.8.8/x"
    site["cameras"][1] |= {"username": "viewer", "password": "secret:nothing"}

    assert harness.faults(5, {"site": site}) == [
        ("/doc/site/cameras/0/streams/0/url", "url.network"),
        ("/doc/site/cameras/1/password", "secret.missing"),
    ]


def test_camera_networks_cannot_be_set_from_afar(harness: ValidatorHarness) -> None:
    """There is no place for them in a document."""
    assert harness.faults(5, {"site": site_tree("c01"), "networks": ["0.0.0.0/0"]}) == [
        ("/doc/networks", "unknown_key")
    ]


def test_what_the_settings_do_not_allow_may_not_change(tmp_path: Path) -> None:
    """The broker is not allowed unless they say so."""
    harness = ValidatorHarness(tmp_path, '[remote]\nallow = ["/site/cameras/*/enabled"]\n')
    site = site_tree("c01")
    site["cameras"][0] |= {"enabled": False, "name": "Khác"}
    broker = {"host": "127.0.0.1", "port": 1884}

    assert harness.faults(5, {"site": site, "broker": broker}) == [
        ("/site/cameras/c01/name", "forbidden"),
        ("/broker", "forbidden"),
    ]


def test_a_broker_elsewhere_needs_tls_and_a_confirmation(tmp_path: Path) -> None:
    """Without TLS in the settings it is on this machine; it is never stored unconfirmed."""
    harness = ValidatorHarness(tmp_path, '[remote]\nallow = ["/site", "/broker"]\n')
    broker = {"host": "mqtt.example", "password": "secret:nothing"}

    assert harness.faults(5, {"site": site_tree("c01"), "broker": broker}, rollback_s=0) == [
        ("/doc/broker/host", "plain_broker"),
        ("/doc/broker/username", "incomplete"),
        ("/doc/broker/password", "secret.missing"),
        ("/rollback_s", "range"),
    ]


DAY_MS = 86_400_000
NO_DATES = {"issued": None, "nbf_ms": None, "exp_ms": None}


def test_a_document_is_good_for_a_bounded_time(harness: ValidatorHarness) -> None:
    """From a month ago, from 2099, for a year, for ever."""
    now, site = now_ms(), {"site": site_tree("c01")}

    def codes(**fields: Any) -> list[tuple[str, str]]:
        return harness.faults(5, site, **fields)

    ago = now - 30 * DAY_MS
    assert codes(nbf_ms=ago, exp_ms=ago + DAY_MS) == [("/exp_ms", "time.late")]
    future = 4_070_908_800_000
    assert codes(nbf_ms=future, exp_ms=future + DAY_MS) == [("/nbf_ms", "time.early")]
    assert codes(exp_ms=now + 365 * DAY_MS) == [("/exp_ms", "time.period")]
    assert codes(**NO_DATES) == [("/nbf_ms", "time.missing")]


def test_a_document_without_dates_is_good_for_a_week_from_its_issue(
    harness: ValidatorHarness,
) -> None:
    """What the version before has signed; it always said when."""
    now, site = now_ms(), {"site": site_tree("c01")}

    young: dict[str, Any] = NO_DATES | {"issued": now - 6 * DAY_MS}
    assert harness.validate(5, site, **young).version == 5
    old = NO_DATES | {"issued": now - 8 * DAY_MS}
    assert harness.faults(5, site, **old) == [("/exp_ms", "time.late")]


def test_no_version_bars_all_others(harness: ValidatorHarness) -> None:
    """A count or the time in ms; what is far above now is refused, and what is, is passed over."""
    site = {"site": site_tree("c01")}
    highest = 2**53 - 1

    assert harness.faults(highest, site) == [("/ver", "version.future")]
    assert harness.validate(now_ms(), site).version > 4
    harness.rolled_back = highest
    assert harness.validate(5, site).version == 5
    harness.rolled_back = now_ms()
    assert harness.faults(5, site) == [("/ver", "version.old")]


CANARY = "canary-S3cret"


@pytest.mark.parametrize(
    "broker",
    [
        {"host": f"viewer:{CANARY}@127.0.0.1"},
        {"host": f"mqtts://viewer:{CANARY}@127.0.0.1"},
        {"host": "127.0.0.1", "username": "viewer", "password": CANARY},
        {"host": "127.0.0.1", "username": "viewer", "password": {"value": CANARY}},
    ],
)
def test_a_password_where_none_belongs_is_not_said_back(
    tmp_path: Path, broker: dict[str, Any]
) -> None:
    """What is wrong with a document is reported to all who may read along."""
    harness = ValidatorHarness(tmp_path, '[remote]\nallow = ["/site", "/broker"]\n')
    with pytest.raises(ConfigRejected) as caught:
        harness.validate(5, {"site": site_tree("c01"), "broker": broker})

    assert CANARY not in str([(f.at, f.message, f.args) for f in caught.value.faults])


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"gw": "other-site"}, ("/gw", "gw.other")),
        ({"sha256": "0" * 64}, ("/sha256", "sha256")),
        ({"schema": "config/3"}, ("/schema", "schema")),
        ({"rollback_s": 5}, ("/rollback_s", "range")),
        ({"ver": 2**53}, ("", "canonical")),
        ({"sig": None}, ("/sig", "sig.missing")),
    ],
)
def test_an_envelope_that_is_wrong_is_refused(
    harness: ValidatorHarness, fields: dict[str, Any], fault: tuple[str, str]
) -> None:
    """Each mistake has its code."""
    if "sig" in fields:
        document = harness.signing.sign(5, OLD)
        del document["sig"]
        with pytest.raises(MessageRejected) as caught:
            harness.validator.verify(json.dumps(document).encode(), "")
        assert [(each.at, each.code) for each in caught.value.faults] == [fault]
    elif fields.get("ver") == 2**53:
        with pytest.raises(MessageRejected) as caught:
            harness.signing.sign(5, OLD, **fields)
        assert [(each.at, each.code) for each in caught.value.faults] == [fault]
    else:
        assert harness.faults(5, OLD, **fields) == [fault]


def test_a_document_of_the_first_schema_is_still_read(harness: ValidatorHarness) -> None:
    """``config/1`` is a site document as installers write it; the newest program reads it."""
    stored = harness.validate(5, site_tree("c01", "c02"), schema="config/1")

    assert [camera.id for camera in stored.config.site.cameras] == ["c01", "c02"]
    assert harness.faults(5, {"cameras": [{}]}, schema="config/1")[0][0].startswith(
        "/doc/cameras/0"
    )


HOSTILE: dict[str, bytes] = {
    "ten_megabytes": b'{"ver":1,"x":"' + b"a" * 10_000_000 + b'"}',
    "depth_10000": b"[" * 10_000 + b"]" * 10_000,
    "object_depth_10000": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "duplicate_keys": b'{"ver":1,"ver":2}',
    "last_of_many_keys_twice": b"{%b}"
    % b",".join(b'"%x":1' % key for key in (*range(6_500), 6_499)),
    "nan": b'{"ver":NaN}',
    "infinity": b'{"ver":-Infinity}',
    "1e999": b'{"ver":1e999}',
    "5000_digits": b'{"ver":' + b"9" * 5_000 + b"}",
    "bad_utf8": b'{"ver":"\xff\xfe"}',
    "lone_surrogate": b'{"ver":"\\ud800"}',
    "empty": b"",
    "bom": b'\xef\xbb\xbf{"ver":1}',
    "not_an_object": b"[]",
    "null": b"null",
    "cut": b'{"ver":1,"doc":{"ca',
    "junk": bytes(range(256)),
}
CODES = {
    "ten_megabytes": "size",
    "depth_10000": "json.depth",
    "object_depth_10000": "json.depth",
    "duplicate_keys": "json.duplicate",
    "last_of_many_keys_twice": "json.duplicate",
    "nan": "json.number",
    "infinity": "json.number",
    "1e999": "json.number",
    "5000_digits": "json.number",
    "bad_utf8": "utf8",
    "lone_surrogate": "json.surrogate",
    "empty": "json",
    "bom": "json.bom",
    "not_an_object": "json.type",
    "null": "json.type",
    "cut": "json",
    "junk": "utf8",
}

PACKED_VALUES = zlib.compress(b'{"x":[%b' % (b"0," * 500_000), 9)


def refused(read: Callable[[], object]) -> tuple[Fault, ...]:
    with pytest.raises(MessageRejected) as caught:
        read()
    return caught.value.faults


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_payloads_are_answered_with_a_code(harness: ValidatorHarness, name: str) -> None:
    """E1, E2: whatever it is, a code says what."""
    faults = refused(lambda: harness.validator.verify(HOSTILE[name], "application/json"))

    assert [fault.code for fault in faults] == [CODES[name]]


def test_a_packed_bomb_is_not_unpacked(harness: ValidatorHarness) -> None:
    """Sixty-four kilobytes that would be a gigabyte."""
    packed = zlib.compress(b"[" * 60_000_000, 9)[:65_536]

    faults = refused(lambda: harness.validator.verify(packed, "application/json+zlib"))

    assert [fault.code for fault in faults] == ["zlib.size"]


def test_a_packed_million_of_values_is_not_looked_into(harness: ValidatorHarness) -> None:
    """A kilobyte that would be half a second of work; nobody even sees that it is not JSON."""
    faults = refused(lambda: harness.validator.verify(PACKED_VALUES, "application/json+zlib"))

    assert [fault.code for fault in faults] == ["json.values"]


def test_a_site_of_512_cameras_is_read(harness: ValidatorHarness) -> None:
    """What bounds hostile payloads leaves room for the largest site."""
    site = site_tree(*(f"c{number}" for number in range(512)))

    assert len(harness.validate(5, {"site": site}).config.site.cameras) == 512


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "cameras", "streams", "url", "limits", "site", "broker"])
            | st.text(max_size=6),
            inner,
            max_size=4,
        )
    ),
    max_leaves=16,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(doc=st.dictionaries(st.sampled_from(["site", "broker", "x"]), JSON, max_size=3))
def test_any_signed_document_is_taken_or_refused_with_places(
    harness: ValidatorHarness, doc: dict[str, Any]
) -> None:
    """E3: a trusted key does not make nonsense pass, nor crash anything."""
    wrong: tuple[Fault, ...] = ()
    stored = None
    try:
        stored = harness.validate(5, doc)
    except (ConfigRejected, MessageRejected) as error:
        wrong = error.faults

    assert (stored is None) == bool(wrong)
    assert all(fault.code for fault in wrong)


def test_a_billion_cameras_are_refused(harness: ValidatorHarness) -> None:
    """E3: a site has 512 at most, and what does not fit into a message never comes so far."""
    names = [f"c{number}" for number in range(600)]

    assert harness.faults(5, {"site": site_tree(*names)}) == [("/doc/site/cameras", "length")]


def test_a_document_signed_by_a_stranger_is_refused(
    harness: ValidatorHarness, tmp_path: Path
) -> None:
    """Nothing else of it is looked at."""
    stranger = SigningHarness.trusted_in(tmp_path / "elsewhere")
    document = sign({"ver": -1, "nonsense": True}, stranger.key)

    faults = refused(lambda: harness.validator.verify(json.dumps(document).encode(), ""))

    assert [fault.code for fault in faults] == ["sig.value"]
