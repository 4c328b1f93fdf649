"""Consent, once the connection stands: the viewer's to be sent to, and ours when it asks.

aioice would do both, with a task, a timer and a transaction for each question, and count one as
unanswered after half a second. Here questions are a part of the desk's beat, an answer counts
whenever it comes, and the viewer's own checks of the pair in use, which change nothing any more,
are answered without looking further. All else stays with aioice.

References: RFC 7675 §5.1 (4 to 6 s between questions, drawn anew each time; 30 s without a
signed answer end it), RFC 8445 §7.3 (what a check may change).
"""

from __future__ import annotations

import os
import random
import time
from collections import deque
from typing import Any

from aiortc import RTCIceTransport

from gateway.webrtc import aiortc_compat, stun
from gateway.webrtc.aiortc_compat import Address
from gateway.webrtc.udp_path import UdpPath

EXPIRY_S = 30.0

REQUEST_TICKS = (4, 5, 6)
"""Beats (seconds) from one question to the next, one of these: who came together shall part."""

OPEN_REQUESTS = 6
"""Questions whose answers still count; older ones have been asked more than 24 s ago."""

_CHECK_ATTRIBUTES = frozenset({stun.USERNAME, stun.PRIORITY, stun.USE_CANDIDATE})
"""All that a check needs; one with other attributes that must be understood is aioice's."""


class Consent:
    """Of one viewer and us, over *ice*, which is connected and has been kept from asking."""

    def __init__(self, ice: RTCIceTransport) -> None:
        self._ice = ice
        (ufrag, pwd), (far_ufrag, far_pwd) = aiortc_compat.ice_credentials(ice)
        self._local_key, self._remote_key = (
            stun.IntegrityKey(pwd.encode()),
            stun.IntegrityKey(far_pwd.encode()),
        )
        self._username = f"{ufrag}:{far_ufrag}".encode()
        self._controlling = aiortc_compat.is_controlling(ice)
        self._attributes = aiortc_compat.check_attributes(ice)
        self._confirmed_s = time.monotonic()
        self._ticks = random.choice(REQUEST_TICKS)
        self._requests: deque[bytes] = deque(maxlen=OPEN_REQUESTS)

    def tick(self, path: UdpPath) -> bool:
        """Return whether we may go on sending; asks over *path* when it is time.

        To be called at each beat.
        """
        self._ticks -= 1
        if self._ticks <= 0:
            self._ticks = random.choice(REQUEST_TICKS)
            self._send_request(path)
        return time.monotonic() - self._confirmed_s < EXPIRY_S

    def handle_stun(self, message: bytes, address: Address, transport: Any) -> bool:
        """Take an answer to us, or a check that only wants to be answered.

        Args:
            message: STUN, its header whole.
            address: Whose.
            transport: aioice's, over which it came.

        Returns:
            False if it is neither; nothing has been done then.
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
        if self._controlling != aiortc_compat.is_controlling(
            self._ice
        ):  # a conflict was settled late
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
        self._confirmed_s = time.monotonic()
        return True

    def _is_plain_check(self, said: dict[int, bytes] | None) -> bool:
        """Whether a check that said this is signed, for us, and of the pair as it is."""
        if said is None or said.get(stun.USERNAME) != self._username:
            return False
        conflict = stun.CONTROLLING if aiortc_compat.is_controlling(self._ice) else stun.CONTROLLED
        return conflict not in said and all(
            kind in _CHECK_ATTRIBUTES or kind >= stun.OPTIONAL for kind in said
        )
