"""View tokens: one algorithm, one type, one key, one camera, one minute; all else is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.signing import Keyring, SigningKey, sign
from gateway.model.errors import ViewerRejected
from gateway.model.reasons import Reason
from gateway.viewing import token as view_token
from gateway.viewing.token import START_S, TOKEN_BYTES, TYPE, ViewClaims, encode, verify
from tests.fixtures.descriptors import none_free
from tests.fixtures.viewing import NOW_S, key_in, view_claims

HEADER = {"alg": "EdDSA", "kid": "view-2026a", "typ": TYPE}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    """The centre's key, in a folder of its own that the gateway trusts."""
    return key_in(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def keys(key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """What the gateway trusts: the public half alone."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "view-2026a.pem").write_bytes(pem(key))
    return Keyring(folder)


def pem(key: SigningKey) -> bytes:
    return key.public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def check(token: str, keys: Keyring, **changed: Any) -> ViewClaims:
    """Verify as the gateway 24/bacninh-01 does for camera c01."""
    asked = {"audience": "24/bacninh-01", "camera": "c01", "viewer": "v-a1", "now_s": NOW_S}
    return verify(token, keys, **{**asked, **changed})


def refusal(token: str, keys: Keyring, **changed: Any) -> str:
    """Return the code with which *token* is refused."""
    with pytest.raises(ViewerRejected) as caught:
        check(token, keys, **changed)
    assert caught.value.code == 403
    return caught.value.detail.partition(":")[0]


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(
    key: SigningKey, header: object = HEADER, body: object = None, *, raw: bytes | None = None
) -> str:
    """Return a token whose parts are whatever they are, rightly signed with *key*."""
    if body is None:
        body = view_claims().model_dump(by_alias=True)
    payload = json.dumps(body).encode() if raw is None else raw
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    signed = f"{b64(head)}.{b64(payload)}"
    return f"{signed}.{b64(key.private.sign(signed.encode()))}"


def test_a_token_gives_its_claims(key: SigningKey, keys: Keyring) -> None:
    """Actor, purpose and times come back as they were issued."""
    claims = view_claims()

    assert check(encode(claims, key), keys) == claims


def test_the_token_of_another_library_is_read(key: SigningKey, keys: Keyring) -> None:
    """The form is RFC 7515's; unknown claims are ignored (RFC 7519 §4)."""
    body = view_claims().model_dump(by_alias=True) | {"department": "IOC"}

    assert check(forged(key, body=body), keys).actor == "Nguyễn Thị An"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({**HEADER, "alg": "none"}, "token.alg"),
        ({**HEADER, "alg": "HS256"}, "token.alg"),
        ({**HEADER, "alg": "Ed448"}, "token.alg"),
        ({**HEADER, "alg": ["EdDSA"]}, "token.alg"),
        ({"kid": "view-2026a", "typ": TYPE}, "token.alg"),
        ({**HEADER, "typ": "JWT"}, "token.type"),
        ({"alg": "EdDSA", "kid": "view-2026a"}, "token.type"),
        ({"alg": "EdDSA", "typ": TYPE}, "token.form"),
        ({**HEADER, "kid": 7}, "token.form"),
        ({**HEADER, "crit": ["b64"], "b64": False}, "token.form"),
        ({**HEADER, "jwk": {"kty": "OKP"}}, "token.form"),
        ({**HEADER, "kid": "view-other"}, "token.key"),
        ({**HEADER, "kid": "cfg-2026a"}, "token.key"),
        ({**HEADER, "kid": "../view-2026a"}, "token.key"),
        ({**HEADER, "kid": "view-2026a\n"}, "token.key"),
        ([HEADER], "token.form"),
        (b"{", "token.form"),
        (b'{"alg":"EdDSA","alg":"none"}', "token.form"),
        (b"[" * 300, "token.form"),
    ],
)
def test_a_header_must_be_exactly_ours(
    key: SigningKey, keys: Keyring, header: object, code: str
) -> None:
    """Also when the signature fits: whoever signs chooses neither algorithm nor key."""
    assert refusal(forged(key, header), keys) == code


def test_the_public_key_is_no_password(key: SigningKey, keys: Keyring) -> None:
    """HS256 with the public key as its secret (RFC 8725 §2.1) is refused by its algorithm."""
    signed = f"{b64(json.dumps({**HEADER, 'alg': 'HS256'}).encode())}.{b64(b'{}')}"
    value = hmac.digest(pem(key), signed.encode(), hashlib.sha512)

    assert refusal(f"{signed}.{b64(value)}", keys) == "token.alg"
    signed = forged(key).rpartition(".")[0]
    value = hmac.digest(pem(key), signed.encode(), hashlib.sha512)
    assert refusal(f"{signed}.{b64(value)}", keys) == "token.sig"


def test_another_key_of_that_name_signs_nothing(keys: Keyring, tmp_path: Path) -> None:
    """The name is not the key."""
    assert refusal(encode(view_claims(), key_in(tmp_path)), keys) == "token.sig"


def test_a_key_for_configurations_signs_no_token(tmp_path: Path) -> None:
    """It is trusted here, for something else."""
    key = key_in(tmp_path, "cfg-2026a")

    assert refusal(forged(key, {**HEADER, "kid": "cfg-2026a"}), Keyring(tmp_path)) == "token.key"
    with pytest.raises(ValueError, match="view-"):
        encode(view_claims(), key)


def test_a_withdrawn_key_signs_nothing(tmp_path: Path) -> None:
    """Its file is taken away; no restart is needed."""
    token, keys = encode(view_claims(), key_in(tmp_path)), Keyring(tmp_path)
    check(token, keys)

    (tmp_path / "view-2026a.pem").unlink()

    assert refusal(token, keys) == "token.key"


def test_a_signed_document_is_no_token(key: SigningKey, keys: Keyring) -> None:
    """And a token's parts are no document: the two are signed in different forms."""
    document = sign(view_claims().model_dump(by_alias=True), key)

    assert refusal(json.dumps(document), keys) == "token.form"
    value = document["sig"]
    assert isinstance(value, dict)
    signed = forged(key).rpartition(".")[0]
    assert refusal(f"{signed}.{value['v']}", keys) == "token.sig"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"camera": "c02"}, "token.camera"),
        ({"audience": "24/bacninh-02"}, "token.gateway"),
        ({"audience": "79/bacninh-01"}, "token.gateway"),
        ({"viewer": "v-a2"}, "token.viewer"),
    ],
)
def test_a_token_is_for_one_place(
    key: SigningKey, keys: Keyring, asked: dict[str, str], code: str
) -> None:
    """Another camera, gateway, province or viewer does not get in with it."""
    assert refusal(encode(view_claims(), key), keys, **asked) == code


def test_a_token_without_a_viewer_is_for_any(key: SigningKey, keys: Keyring) -> None:
    """Whoever issues it need not know the viewer id."""
    check(encode(view_claims(viewer=None), key), keys, viewer="v-anybody")


def test_a_token_is_good_for_a_minute_at_most(key: SigningKey, keys: Keyring) -> None:
    """Sixty-one seconds are refused from the first on."""
    check(encode(view_claims(expires_s=NOW_S + START_S), key), keys)

    assert refusal(encode(view_claims(expires_s=NOW_S + START_S + 1), key), keys) == (
        "token.lifetime"
    )


@pytest.mark.parametrize(
    "times",
    [
        {"not_before_s": NOW_S - 1},
        {"not_before_s": NOW_S + 60},
        {"expires_s": NOW_S},
        {"expires_s": NOW_S - 60},
    ],
)
def test_times_that_contradict_each_other_are_refused(
    key: SigningKey, keys: Keyring, times: dict[str, int]
) -> None:
    """Issued, then good, then expired."""
    assert refusal(encode(view_claims(**times), key), keys) == "token.lifetime"


@pytest.mark.parametrize(
    ("off_s", "code"),
    [
        (-31, "token.early"),
        (-30, None),
        (0, None),
        (89, None),
        (90, "token.expired"),
        (-1_800_000_000, "token.early"),
        (10**9, "token.expired"),
    ],
)
def test_clocks_may_differ_by_the_skew(
    key: SigningKey, keys: Keyring, off_s: int, code: str | None
) -> None:
    """By half a minute either way, here; the refusal says that it is about clocks."""
    token = encode(view_claims(), key)
    if code is None:
        check(token, keys, now_s=NOW_S + off_s, skew_s=30)
        return
    with pytest.raises(ViewerRejected, match=code) as caught:
        check(token, keys, now_s=NOW_S + off_s, skew_s=30)
    assert caught.value.reason is Reason.VIEW_TOKEN_EXPIRED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, None) for name in ("iss", "sub", "src", "aud", "cam", "pur", "jti")],
        *[(name, None) for name in ("iat", "nbf", "exp", "max")],
        ("sub", ""),
        ("sub", "a" * 129),
        ("sub", "An\u202egnp.exe"),
        ("sub", "An\nroot"),
        ("sub", "\x1b[31mAn"),
        ("sub", " An"),
        ("sub", "Nguye\u0302\u0303n"),
        ("sub", 7),
        ("src", "browser"),
        ("aud", ["24/bacninh-01"]),
        ("aud", "24/+"),
        ("cam", "#"),
        ("vid", "console"),
        ("pur", "a" * 201),
        ("pur", "\u200b"),
        ("jti", "short"),
        ("jti", "a" * 65),
        ("jti", "a" * 20 + "/"),
        ("exp", 1.8e9),
        ("exp", str(NOW_S + 60)),
        ("exp", True),
        ("exp", 2**63),
        ("iat", -1),
        ("max", 0),
        ("max", 86_401),
        ("max", 1e308),
    ],
)
def test_every_claim_is_bounded(key: SigningKey, keys: Keyring, name: str, value: object) -> None:
    """In type, length and characters, although the centre has signed it."""
    body = view_claims().model_dump(by_alias=True) | {name: value}

    assert refusal(forged(key, body=body), keys) == "token.claims"


@pytest.mark.parametrize(
    "raw", [b"7", b"[]", b"{", b"\xff\xfe", b"[" * 900, b'{"sub":"a","sub":"b"}', b'{"a":1e999}']
)
def test_claims_must_be_strict_json(key: SigningKey, keys: Keyring, raw: bytes) -> None:
    """Nothing that two readers could understand in two ways, and nothing deep."""
    assert refusal(forged(key, raw=raw), keys) == "token.form"


def test_size_is_looked_at_before_anything_is_decoded(
    key: SigningKey, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token above the bound costs no parser and no signature."""
    token = forged(key, body={"a": "a" * TOKEN_BYTES})
    monkeypatch.setattr(view_token, "_parse", None)

    assert refusal(token, keys) == "token.form"
    assert refusal("a." * 500_000, keys) == "token.form"


def test_an_unknown_key_costs_no_signature(
    key: SigningKey, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key's id is looked at first."""
    monkeypatch.setattr(view_token, "_JWS", None)

    assert refusal(forged(key, {**HEADER, "kid": "view-x"}), keys) == "token.key"


def test_the_largest_claims_fit(keys: Keyring, key: SigningKey) -> None:
    """Whatever the centre may issue is not refused for its size."""
    claims = view_claims(
        issuer="a" * 40,
        actor="𠮷" * 128,
        actor_source="settings",
        audience=f"24/{'a' * 40}",
        camera="c" * 16,
        viewer=f"v-{'a' * 40}",
        purpose="𠮷" * 200,
        max_s=86_400,
        token_id="a" * 64,
    )
    asked = {"audience": claims.audience, "camera": claims.camera, "viewer": claims.viewer}

    assert check(encode(claims, key), keys, **asked) == claims


@given(
    text=st.text(max_size=400) | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
)
def test_any_text_is_refused(keys: Keyring, text: str) -> None:
    """With a code, never with another exception."""
    assert refusal(text, keys).startswith("token.")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    header=st.fixed_dictionaries({}, optional=dict.fromkeys(("alg", "kid", "typ", "x"), JSON)),
    body=JSON,
)
def test_any_json_is_refused(key: SigningKey, keys: Keyring, header: object, body: object) -> None:
    """Whatever stands where header and claims are, though rightly signed."""
    assert refusal(forged(key, header, body), keys).startswith("token.")


ALIASES = ("iss", "sub", "src", "aud", "cam", "vid", "pur", "iat", "nbf", "exp", "max", "jti")


@given(changes=st.dictionaries(st.sampled_from(ALIASES), JSON, min_size=1))
def test_changed_claims_are_refused_or_good(
    key: SigningKey, keys: Keyring, changes: dict[str, object]
) -> None:
    """No claim makes another exception than a refusal."""
    body = view_claims().model_dump(by_alias=True) | changes
    told = None
    try:
        told = check(forged(key, body=body), keys).camera
    except ViewerRejected as error:
        told = error.detail.partition(".")[0]

    assert told in ("c01", "token")


@given(at=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_a_changed_byte_is_noticed(key: SigningKey, keys: Keyring, at: int, flip: int) -> None:
    """Wherever it is; but for the two bits of base64 that mean nothing."""
    token = encode(view_claims(), key)
    raw = bytearray(token.encode())
    raw[at % (len(raw) - 1)] ^= flip

    assert refusal(raw.decode("latin-1"), keys).startswith("token.")


@given(
    change=st.sampled_from(
        [
            lambda parts: [parts[0], parts[1]],
            lambda parts: [*parts, ""],
            lambda parts: [parts[0], parts[1], ""],
            lambda parts: [parts[1], parts[0], parts[2]],
            lambda parts: [*parts[:2], parts[2] + "="],
            lambda parts: [f" {parts[0]}", *parts[1:]],
        ]
    )
)
def test_parts_are_three(
    key: SigningKey, keys: Keyring, change: Callable[[list[str]], list[str]]
) -> None:
    """None missing, none more, none in another place, no padding."""
    parts = encode(view_claims(), key).split(".")

    assert refusal(".".join(change(parts)), keys) in ("token.form", "token.alg")


def test_without_a_free_descriptor_it_is_not_the_viewers_fault(
    key: SigningKey, tmp_path: Path
) -> None:
    """The key cannot be read: 503 with its own reason, not "no permission"."""
    (tmp_path / "view-2026a.pem").write_bytes(pem(key))
    keys = Keyring(tmp_path)  # which has read no key yet
    token = encode(view_claims(), key)

    with none_free(), pytest.raises(ViewerRejected) as caught:
        check(token, keys)

    assert (caught.value.code, caught.value.reason) == (503, Reason.DESCRIPTORS_LOW)
