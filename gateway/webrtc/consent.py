"""Consent to send (RFC 7675), once ICE is connected: we check the viewer's and give ours.

aioice would do both, with a task, a timer and a transaction for each request, and count one as
unanswered after half a second. Here requests are sent by the ticker, a response counts
whenever it comes, and the viewer's own checks of the pair in use, which change nothing any more,
are answered at once. Everything else is left to aioice.

References: RFC 7675 §5.1 (4 to 6 s between requests, drawn anew each time; consent ends after
30 s without a signed response), RFC 8445 §7.3 (what a check may change).
"""

from __future__ import annotations

import os
import random
from collections import deque
from typing import Any

from aiortc import RTCIceTransport

from gateway.ports import Clock
from gateway.runtime.lateness import Silence
from gateway.webrtc import aiortc_compat, stun
from gateway.webrtc.aiortc_compat import Address
from gateway.webrtc.udp_path import UdpPath

EXPIRY_S = 30.0
"""Consent ends this long after the last signed response (RFC 7675 §5.1). Time for which our own
loop was late does not count, since a response may lie in the kernel; but see `LONGEST_S`."""

LONGEST_S = 2 * EXPIRY_S
"""Nobody is sent to for longer without a response, however late we are."""

TICK_S = 1.0
"""`Consent.tick` is called this often."""

REQUEST_TICKS = (4, 5, 6)
"""Ticks (seconds) to the next request, one of these at random (RFC 7675 §5.1)."""

OPEN_REQUESTS = 6
"""Requests whose responses still count; older ones were sent more than 24 s ago."""

_CHECK_ATTRIBUTES = frozenset({stun.USERNAME, stun.PRIORITY, stun.USE_CANDIDATE})
"""All that a check needs. One with other comprehension-required attributes is left to aioice."""


class Consent:
    """Consent of one viewer, and ours to it.

    Args:
        ice: Connected; `aiortc_compat.disable_consent_checks` was called before it started.
        clock: Monotonic.
    """

    def __init__(self, ice: RTCIceTransport, clock: Clock) -> None:
        self._ice = ice
        (ufrag, pwd), (far_ufrag, far_pwd) = aiortc_compat.ice_credentials(ice)
        self._local_key, self._remote_key = (
            stun.IntegrityKey(pwd.encode()),
            stun.IntegrityKey(far_pwd.encode()),
        )
        self._username = f"{ufrag}:{far_ufrag}".encode()
        self._controlling = aiortc_compat.is_controlling(ice)
        self._attributes = aiortc_compat.check_attributes(ice)
        self._now = clock.now
        self._confirmed_s = clock.now()
        self._silence = Silence(clock.now)
        self._ticks = random.choice(REQUEST_TICKS)
        self._requests: deque[bytes] = deque(maxlen=OPEN_REQUESTS)

    def tick(self, path: UdpPath) -> bool:
        """Return whether the viewer still consents; send a request over *path* when one is due.

        To be called once a second.
        """
        self._ticks -= 1
        if self._ticks <= 0:
            self._ticks = random.choice(REQUEST_TICKS)
            self._send_request(path)
        silent_s = self._silence.look(self._confirmed_s, after_s=TICK_S)
        return silent_s < EXPIRY_S and self._now() - self._confirmed_s < LONGEST_S

    def handle_stun(self, message: bytes, address: Address, transport: Any) -> bool:
        """Handle a response to us, or answer a check of the pair in use.

        Args:
            message: STUN, with a complete header.
            address: Its source.
            transport: aioice's, over which it came.

        Returns:
            False if it is neither: aioice has to handle it then.
        """
        kind, transaction = int.from_bytes(message[:2], "big"), message[8:20]
        if kind == stun.SUCCESS:
            return self._handle_response(message, transaction)
        if kind != stun.REQUEST or aiortc_compat.nominated_pair(self._ice) != (transport, address):
            return False
        if not self._is_plain_check(stun.parse_verified(message, self._local_key)):
            return False
        attribute = stun.xor_mapped_address(address, transaction)
        transport.sendto(
            stun.build_signed(stun.SUCCESS, transaction, attribute, self._local_key), address
        )
        return True

    def _send_request(self, path: UdpPath) -> None:
        if self._controlling != aiortc_compat.is_controlling(self._ice):
            # aioice has resolved a role conflict meanwhile.
            self._controlling = not self._controlling
            self._attributes = aiortc_compat.check_attributes(self._ice)
        transaction = os.urandom(12)
        self._requests.append(transaction)
        path.send(stun.build_signed(stun.REQUEST, transaction, self._attributes, self._remote_key))

    def _handle_response(self, message: bytes, transaction: bytes) -> bool:
        if (
            transaction not in self._requests
            or stun.parse_verified(message, self._remote_key) is None
        ):
            return False
        self._requests.clear()
        self._confirmed_s = self._now()
        return True

    def _is_plain_check(self, attributes: dict[int, bytes] | None) -> bool:
        """Return whether a check with *attributes* is signed, for us, and changes nothing."""
        if attributes is None or attributes.get(stun.USERNAME) != self._username:
            return False
        conflict = stun.CONTROLLING if aiortc_compat.is_controlling(self._ice) else stun.CONTROLLED
        return conflict not in attributes and all(
            kind in _CHECK_ATTRIBUTES or kind >= stun.OPTIONAL for kind in attributes
        )
