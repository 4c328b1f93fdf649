"""Which camera URLs may be opened: the grammar, the networks, the pin."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import SourceRefused, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.runtime.resolver import addresses_of
from gateway.runtime.url_policy import UrlPolicy, UrlScheme
from gateway.sources.registry import url_policy

NETWORKS = (ip_network("192.168.1.0/24"), ip_network("fd00:1::/64"))
POLICY = url_policy(NETWORKS)


def never(host: str) -> list[str]:
    raise AssertionError(f"{host} was looked up")


def resolving(*addresses: str) -> UrlPolicy:
    return url_policy(NETWORKS, resolver=lambda _: list(addresses))


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://192.168.1.10",
        "rtsp://192.168.1.10/",
        "rtsp://192.168.1.10:8554/Streaming/Channels/101",
        "rtsp://192.168.1.10/cam/realmonitor?channel=1&subtype=0",
        "rtsp://192.168.1.10/a@b/%E1%BA%A5",
        "rtsps://[fd00:1::7]:322/live",
        "rtsp://dau-ghi.lan:554/h264",
        "rtsp://192.168.1.10/user={username}&password={password}&channel=1&stream=0.sdp?",
    ],
)
def test_a_plain_camera_url_passes(url: str) -> None:
    """What recorders' manuals print is allowed."""
    assert POLICY.check(url) is None


def test_a_closed_scheme_says_what_opens_it() -> None:
    """The setting and the value: whoever reads it can do it."""
    fault = POLICY.check("udp://192.168.1.10:5004")

    assert fault is not None
    assert fault.code == "url.scheme"
    assert '[cameras] schemes = ["udp"]' in fault.message


@pytest.mark.parametrize(
    ("url", "second"),
    [
        ("http://192.168.1.10:8080/x", "port 8080"),
        ("http://8.8.8.8/x", "outside the camera networks"),
        ("http://admin:Abc@192.168.1.10/x", "put user and password in their own fields"),
        ("udp://239.1.2.3:9", "port 9"),
    ],
)
def test_a_closed_scheme_hides_no_second_fault(url: str, second: str) -> None:
    """One answer says all that is to be put right, and never the password."""
    fault = POLICY.check(url)

    assert fault is not None
    assert fault.code == "url.scheme"
    assert "is closed here" in fault.message
    assert second in fault.message
    assert "Abc" not in fault.message


def test_a_closed_scheme_alone_says_no_more() -> None:
    """A group that the scheme may have is no fault."""
    fault = POLICY.check("udp://239.1.2.3:5004")

    assert fault is not None
    assert fault.message.endswith('schemes = ["udp"]')


UDP = replace(POLICY, schemes=(UrlScheme("udp", 5004, frozenset({5004}), multicast=True),))


async def test_a_multicast_group_has_the_camera_networks_as_senders() -> None:
    """A camera that is named sends alone."""
    group = await UDP.resolve("udp://239.1.2.3")
    camera = await UDP.resolve("udp://192.168.1.10")

    assert group.permits_sender("192.168.1.77")
    assert not group.permits_sender("8.8.8.8")
    assert camera.permits_sender("192.168.1.10")
    assert not camera.permits_sender("192.168.1.77")


@pytest.mark.parametrize("url", ["udp://224.0.0.251", "udp://0.0.0.0", "udp://10.255.255.255"])
def test_not_every_group_may_be_joined(url: str) -> None:
    """Those of the link's own protocols are no cameras."""
    assert UDP.check(url) is not None


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://192.168.1.10/", "url.scheme"),
        ("file:///etc/passwd", "url.scheme"),
        ("RTSP://192.168.1.10/", "url.scheme"),
        ("concat:rtsp://192.168.1.10/", "url.scheme"),
        ("-f rtsp://192.168.1.10/", "url.control"),
        ("192.168.1.10", "url.scheme"),
        ("", "url.scheme"),
        ("rtsp://u:p@192.168.1.10/", "url.userinfo"),
        ("rtsp://192.168.1.10@evil.example/", "url.userinfo"),
        ("rtsp://user@evil@192.168.1.10/", "url.userinfo"),
        ("rtsp://192.168.1.10/?user=admin&password=x", "url.userinfo"),
        ("rtsp://192.168.1.10/{user}", "url.path"),
        ("rtsp://{username}/", "url.host"),
        ("rtsp:///path", "url.host"),
        ("rtsp://", "url.host"),
        ("rtsp://0x7f.1/", "url.host"),
        ("rtsp://2130706433/", "url.host"),
        ("rtsp://127.1/", "url.host"),
        ("rtsp://0300.0250.1.10/", "url.host"),
        ("rtsp://192.168.1.010/", "url.host"),
        ("rtsp://192.168.1.10./", "url.host"),
        ("rtsp://a..b/", "url.host"),
        ("rtsp://-a.lan/", "url.host"),
        ("rtsp://192.168.1.10%00.evil/", "url.host"),
        ("rtsp://[::ffff:192.168.1.10]/", "url.network"),
        ("rtsp://[fd00:1::7%25eth0]/", "url.host"),
        ("rtsp://[192.168.1.10]/", "url.host"),
        ("rtsp://127.0.0.1/", "url.network"),
        ("rtsp://169.254.169.254/", "url.network"),
        ("rtsp://192.168.2.10/", "url.network"),
        ("rtsp://192.168.1.10:1883/", "url.port"),
        ("rtsp://192.168.1.10:0/", "url.port"),
        ("rtsp://192.168.1.10:99999/", "url.port"),
        ("rtsp://192.168.1.10:/", "url.host"),
        ("rtsp://192.168.1.10/#x", "url.fragment"),
        ("rtsp://192.168.1.10\\@evil/", "url.path"),
        ("rtsp://192.168.1.10/a|b", "url.path"),
        ("rtsp://192.168.1.10/a\nb", "url.control"),
        ("rtsp://192.168.1.10/\x00", "url.control"),
        ("rtsp://192.168.1.10/quầy", "url.control"),
        ("rtsp://192.168.1.10/" + "a" * 2000, "url.length"),
    ],
)
def test_anything_else_is_refused_with_its_code(url: str, code: str) -> None:
    """Odd spellings, other schemes, other places and injections never pass."""
    fault = POLICY.check(url, at="/cameras/0/streams/0/url")

    assert fault is not None
    assert (fault.code, fault.at) == (code, "/cameras/0/streams/0/url")


def test_a_fault_never_quotes_credentials() -> None:
    """A password in a URL stays out of the message that refuses it."""
    assert "s3cret" not in str(POLICY.check("rtsp://u:s3cret@192.168.1.10/"))


def test_any_and_multicast_addresses_are_refused_even_in_a_permitted_network() -> None:
    """0.0.0.0 means this machine, and a camera is never a group."""
    everywhere = url_policy((ip_network("0.0.0.0/0"),))

    assert everywhere.check("rtsp://0.0.0.0/") is not None
    assert everywhere.check("rtsp://239.1.1.1/") is not None


_hosts = st.one_of(
    st.ip_addresses().map(lambda a: f"[{a}]" if a.version == 6 else str(a)),
    st.integers(0, 2**33).map(str),
    st.from_regex(r"(0x)?[0-9a-f]{1,8}(\.[0-9a-fx]{1,4}){0,4}", fullmatch=True),
    st.text(alphabet="a1.-@:[]%#/\\?\n\x00é", max_size=12),
    st.just("192.168.1.10"),
)


@settings(max_examples=200, deadline=None)
@given(
    scheme=st.sampled_from(["rtsp", "rtsps", "http", "RTSP", "file", ""]),
    user=st.sampled_from(["", "", "u@", "u:p@", "a@b@"]),
    host=_hosts,
    port=st.sampled_from(["", ":554", ":1883", ":", ":x", ":8554"]),
    path=st.text(alphabet="/a?=&#|\r\n\x00 \\%@", max_size=8),
)
def test_whatever_passes_is_plain(scheme: str, user: str, host: str, port: str, path: str) -> None:
    """What passes has our scheme, no user, and a host that is inside."""
    must_be_plain(f"{scheme}://{user}{host}{port}{path}")


@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_made_up_urls_pass_only_if_plain(seed: int) -> None:
    """A thousand for each seed, put together from what attackers put into URLs."""
    chance = random.Random(seed)
    pieces = ["rtsp://", "192.168.1.10", "0x7f", "::ffff:", "[", "]", "@", ":554", "/", "127.1"]
    pieces += [
        "\\",
        "#",
        "?",
        "%00",
        "\n",
        "user:p",
        "evil.example",
        ".",
        "a",
        "1",
        ":",
        "rtsps://",
    ]

    for _ in range(1_000):
        start = chance.choice(["", "rtsp://", "rtsp://", "rtsp://192.168.1.10"])
        must_be_plain(start + "".join(chance.choices(pieces, k=chance.randrange(6))))


def must_be_plain(url: str) -> None:
    """Fail if *url* passes and is anything but a plain URL of a permitted place."""
    if POLICY.check(url) is not None:
        return
    assert url.startswith(("rtsp://", "rtsps://"))
    authority = url.split("://", 1)[1].replace("?", "/").split("/")[0]
    assert "@" not in authority
    assert url.isascii()
    assert url.isprintable()
    assert not set(url) & set("# \\|")
    name = authority.rsplit(":", 1)[0] if not authority.endswith("]") else authority
    try:
        literal = ip_address(name.strip("[]"))
    except ValueError:
        assert not name.split(".")[-1].isdigit()
    else:
        assert any(literal in network for network in NETWORKS)


async def test_a_literal_is_pinned_as_it_is() -> None:
    """No look-up for an address; the defaults of the scheme are filled in."""
    target = await url_policy(NETWORKS, resolver=never).resolve("rtsp://192.168.1.10")

    assert (target.address, target.port, target.url) == (
        "192.168.1.10",
        554,
        "rtsp://192.168.1.10/",
    )


async def test_a_name_is_pinned_to_what_it_resolved_to() -> None:
    """The address found is the one to be connected to; the name stays for requests."""
    target = await resolving("192.168.1.20", "fd00:1::7").resolve("rtsp://nvr.lan:8554/1?a=b")

    assert (target.address, target.host, target.path) == ("192.168.1.20", "nvr.lan", "/1?a=b")
    assert target.authority == "nvr.lan:8554"


@pytest.mark.parametrize("other", ["127.0.0.1", "10.0.0.1", "::ffff:192.168.1.20", "::1"])
async def test_a_name_must_resolve_wholly_inside(other: str) -> None:
    """One address outside is enough to refuse: the next look-up might give only that one."""
    with pytest.raises(SourceRefused) as caught:
        await resolving("192.168.1.20", other).resolve("rtsp://nvr.lan/")

    assert caught.value.reason is Reason.POLICY_DENIED


async def test_a_forbidden_url_is_refused_before_any_lookup() -> None:
    """Nothing leaves the machine for a URL that the grammar refuses."""
    with pytest.raises(SourceRefused) as caught:
        await url_policy(NETWORKS, resolver=never).resolve("rtsp://nvr.lan:25/")

    assert caught.value.reason is Reason.POLICY_DENIED


async def test_an_unknown_name_says_so() -> None:
    """The resolver's failure is a cause of its own, and transient."""

    def unknown(_: str) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(SourceUnavailable, match=r"nvr\.lan") as caught:
        await url_policy(NETWORKS, resolver=unknown).resolve("rtsp://nvr.lan/")

    assert caught.value.reason is Reason.DNS_FAILED


async def test_a_dead_resolver_holds_nobody_up() -> None:
    """The look-up ends by its own deadline while the resolver still hangs."""
    release = threading.Event()

    def hanging(_: str) -> list[str]:
        release.wait(10)
        return []

    with pytest.raises(SourceUnavailable) as caught:
        await addresses_of("nvr.lan", resolver=hanging, timeout_s=0.02)

    release.set()
    assert caught.value.reason is Reason.DNS_FAILED
