"""What an answer to WS-Discovery says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.discovery.ws_discovery import parse_match

ANSWER = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Body><d:ProbeMatches>'
    "<d:ProbeMatch><d:Scopes>onvif://www.onvif.org/name/Qu%E1%BA%A7y%201"
    " onvif://www.onvif.org/hardware/DS-2CD2143 http://elsewhere/</d:Scopes>"
    "<d:XAddrs>{xaddrs}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
)


@pytest.mark.parametrize(
    ("xaddrs", "port", "path", "named"),
    [
        ("http://10.1.1.5/onvif/device_service", 80, "/onvif/device_service", ""),
        ("http://192.0.0.64:8000/onvif/d http://10.1.1.5/x", 8000, "/onvif/d", "192.0.0.64"),
        ("ftp://10.1.1.5/a http://[::1 http://10.1.1.5:99999/a", 80, "", ""),
        ("", 80, "", ""),
    ],
)
def test_the_device_service_is_taken_and_its_host_only_noted(
    xaddrs: str, port: int, path: str, named: str
) -> None:
    """The address is where the answer came from."""
    match = parse_match("10.1.1.5", ANSWER.format(xaddrs=xaddrs).encode())

    assert match is not None
    assert (match.address, match.port, match.path, match.named) == ("10.1.1.5", port, path, named)
    assert match.scopes == ("name/Quầy 1", "hardware/DS-2CD2143")


@given(st.binary(max_size=400))
def test_no_datagram_makes_it_raise(datagram: bytes) -> None:
    """What is no answer is None."""
    assert parse_match("10.1.1.5", datagram) is None
