"""The site document: strict JSON in, cameras or every fault out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.documents import LARGEST_BYTES, parse_site
from gateway.config.faults import PATTERNS, VIETNAMESE
from gateway.config.settings import Settings
from gateway.model.errors import ConfigRejected, Fault
from gateway.model.site_document import SiteConfig

CAMERA: dict[str, object] = {
    "id": "quay7",
    "name": "Quầy 7",
    "streams": [{"url": "rtsp://10.0.0.1/1"}],
}


def site(*cameras: dict[str, object], **more: object) -> bytes:
    return json.dumps({"cameras": cameras, **more}).encode()


def with_url(url: str) -> bytes:
    return site({**CAMERA, "streams": [{"url": url}]})


def faults(raw: bytes) -> tuple[Fault, ...]:
    with pytest.raises(ConfigRejected) as caught:
        parse_site(raw)
    return caught.value.faults


def places(raw: bytes) -> dict[str, str]:
    return {fault.at: fault.code for fault in faults(raw)}


def test_a_camera_needs_id_name_and_one_stream() -> None:
    """All else has a default."""
    (camera,) = parse_site(site(CAMERA)).cameras

    assert (camera.id, camera.streams[0].profile, camera.enabled) == ("quay7", "main", True)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("htp://10.0.0.1/", "url.scheme"),
        ("file:///etc/passwd", "url.scheme"),
        ("RTSP://10.0.0.1/", "url.scheme"),
        ("//10.0.0.1/", "url.scheme"),
        ("rtsp://u:p@10.0.0.1/", "url.userinfo"),
        ("rtsp://10.0.0.1/user=admin&password=x1&channel=1", "url.userinfo"),
        ("rtsp://10.0.0.1/user={username}&channel=1", "url.login"),
        ("rtsp://10.0.0.1/?pwd={password}", "url.login"),
        ("rtsp:///1", "url.host"),
        ("rtsp://10.0.0.1:0/", "url.port"),
        ("rtsp://10.0.0.1:99999/", "url.port"),
        ("rtsp://10.0.0.1:x/", "url.port"),
        ("rtsp://[::1/", "url.host"),
        ("rtsp://10.0.0.1/a b", "url.control"),
        ("rtsp://10.0.0.1/\u0111", "url.control"),
        ("rtsp://10.0.0.1/#1", "url.fragment"),
        ("rtsp://10.0.0.1/" + "a" * 1024, "length"),
    ],
)
def test_what_is_no_camera_url_is_refused(url: str, code: str) -> None:
    """Each kind of mistake has its own code."""
    assert places(with_url(url)) == {"/cameras/0/streams/0/url": code}


@pytest.mark.parametrize(
    "url", ["rtsp://admin:canary1@h/", "rtsp://admin:can ary1@h/", "rtsp://h/?user=a&pwd=canary1"]
)
def test_a_password_in_a_url_is_not_repeated(url: str) -> None:
    """Neither by the fault for it nor by any other."""
    assert "ary1" not in repr(faults(with_url(url)))


def test_a_login_may_be_put_into_the_path_where_clear_text_is_allowed() -> None:
    """Only there: it is sent in clear as with Basic."""
    url = "rtsp://10.0.0.1/user={username}&password={password}&channel=1"
    camera = {
        **CAMERA,
        "username": "u",
        "password": "secret:dvr1",
        "streams": [{"profile": "main", "url": url}],
    }

    assert parse_site(site({**camera, "allow_basic": True})).cameras[0].streams[0].url == url
    assert places(site(camera)) == {"/cameras/0/streams/0/url": "url.login"}


def test_cameras_are_named_once_even_among_other_faults() -> None:
    """A repeated id is reported beside what is wrong elsewhere, not one round later."""
    raw = site(CAMERA, {**CAMERA, "nmae": "x"}, CAMERA, limits={"viewers": 0})

    assert places(raw) == {
        "/cameras/1/nmae": "unknown_key",
        "/cameras/1/id": "duplicate",
        "/cameras/2/id": "duplicate",
        "/limits/viewers": "range",
    }


def test_a_profile_stands_once_per_camera() -> None:
    """Two main streams cannot both be meant."""
    raw = site({**CAMERA, "streams": [{"url": "rtsp://h/1"}, {"url": "rtsp://h/2"}]})

    assert places(raw) == {"/cameras/0/streams/1/profile": "duplicate"}


def test_a_password_needs_a_username() -> None:
    """Digest has no use for one without the other."""
    raw = site({**CAMERA, "password": {"$ref": "secret:nvr1"}})

    assert places(raw) == {"/cameras/0/username": "incomplete"}


@pytest.mark.parametrize("given", ["x", True, 1.5, None])
def test_figures_are_not_guessed(given: object) -> None:
    """A version in quotes is a mistake of whoever wrote it."""
    assert places(site(version=given)) == {"/version": "type"}


@pytest.mark.parametrize(
    ("raw", "at", "code"),
    [
        (b"", "", "empty"),
        (b" \n", "", "empty"),
        (b"\xef\xbb\xbf{}", "", "encoding"),
        (b'{"name": "\xff"}', "", "encoding"),
        ('{"name": "Quầy"}'.encode("utf-16"), "", "encoding"),
        (b'{"name": "a",}', "", "syntax"),
        (b'{"version": 1, "version": 2}', "/version", "duplicate_key"),
        (b'{"limits": {"gop_s": NaN}}', "/limits/gop_s", "number"),
        (b'{"limits": {"gop_s": 1e999}}', "/limits/gop_s", "number"),
        (b'{"version": ' + b"9" * 5000 + b"}", "/version", "number"),
        (b'{"name": "\\ud800"}', "/name", "text"),
        (b'{"name": "a\\u0000b"}', "/name", "text"),
        (b"[" * 100_000, "", "depth"),
        (b'{"name": "' + b"a" * LARGEST_BYTES + b'"}', "", "size"),
        (b"[]", "", "type"),
        (b"null", "", "type"),
    ],
    ids=lambda value: str(value[:16]) if isinstance(value, bytes) else None,
)
def test_hostile_json_is_refused_by_its_place(raw: bytes, at: str, code: str) -> None:
    """What JSON readers disagree about, or choke on, is named and refused."""
    assert Fault(at, code, "") in [Fault(each.at, each.code, "") for each in faults(raw)]


def test_broken_json_says_line_and_column() -> None:
    """A syntax error is found by its place."""
    (fault,) = faults(b'{\n "name": "a"\n "version": 1}')

    assert fault.args == {"line": 3, "column": 2, "kind": "comma"}


def test_brackets_in_strings_are_no_nesting() -> None:
    """A name may look like anything."""
    assert parse_site(json.dumps({"name": '[{"' * 60}).encode()).name.startswith("[{")


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    """Whatever arrives, the answer is a site or a rejection."""
    with contextlib.suppress(ConfigRejected):
        assert isinstance(parse_site(raw), SiteConfig)


def _json() -> st.SearchStrategy[object]:
    words = st.sampled_from(
        ["id", "name", "cameras", "streams", "url", "limits", "version", "$ref"]
    )
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | words
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
        max_leaves=12,
    )


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["cameras", "limits", "name"]), _json(), max_size=3))
def test_no_document_breaks_the_reader(document: dict[str, object]) -> None:
    """Whatever shape it has, each fault has a pointer and a code that can be translated."""
    try:
        parse_site(json.dumps(document).encode())
    except ConfigRejected as error:
        for fault in error.faults:
            assert fault.at == "" or fault.at.startswith("/")
            assert fault.code in VIETNAMESE


def _walk(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def test_every_pattern_is_put_in_words() -> None:
    """Nobody is asked to read a regular expression."""
    used = {*_walk(SiteConfig.model_json_schema()), *_walk(Settings.model_json_schema())}

    assert used <= set(PATTERNS)


def test_every_code_in_the_source_has_a_vietnamese_sentence() -> None:
    """Codes of the camera policy come through as they are, so they count as well."""
    source = Path("gateway/runtime/url_policy.py").read_text(encoding="utf-8")
    codes = {word for word in source.replace('"', " ").split() if word.startswith("url.")}

    assert codes <= set(VIETNAMESE)
