"""Consent, once the connection stands: the viewer's to be sent to, and ours when it asks.

aioice would do both, with a task, a timer and a transaction for each question, and count one as
unanswered after half a second. Here questions are asked in the manager's tick, an answer counts
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

BETWEEN_BEATS = (4, 5, 6)
"""Beats (seconds) from one question to the next, one of these: who came together shall part."""

WAITING = 6
"""Questions whose answers still count; older ones have been asked more than 24 s ago."""

_KNOWN = frozenset({stun.USERNAME, stun.PRIORITY, stun.USE_CANDIDATE})
"""All that a check needs; one with other attributes that must be understood is aioice's."""


class Consent:
    """Of one viewer and us, over *ice*, which is connected and has been kept from asking."""

    def __init__(self, ice: RTCIceTransport) -> None:
        self._ice = ice
        (ufrag, pwd), (far_ufrag, far_pwd) = aiortc_compat.credentials(ice)
        self._ours, self._theirs = stun.Key(pwd.encode()), stun.Key(far_pwd.encode())
        self._username = f"{ufrag}:{far_ufrag}".encode()
        self._controlling = aiortc_compat.is_controlling(ice)
        self._attributes = aiortc_compat.check_attributes(ice)
        self._given_s = time.monotonic()
        self._beats = random.choice(BETWEEN_BEATS)
        self._asked: deque[bytes] = deque(maxlen=WAITING)

    def lasts(self, path: UdpPath) -> bool:
        """Return whether we may go on sending; asks over *path* when it is time.

        To be called at each ticker.
        """
        self._beats -= 1
        if self._beats <= 0:
            self._beats = random.choice(BETWEEN_BEATS)
            self._ask(path)
        return time.monotonic() - self._given_s < EXPIRY_S

    def took(self, message: bytes, address: Address, transport: Any) -> bool:
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
            return self._was_given(message, transaction)
        if kind != stun.REQUEST or aiortc_compat.nominated(self._ice) != (transport, address):
            return False
        if not self._is_ordinary(stun.verified(message, self._ours)):
            return False
        attribute = stun.mapped(address, transaction)
        transport.sendto(stun.signed(stun.SUCCESS, transaction, attribute, self._ours), address)
        return True

    def _ask(self, path: UdpPath) -> None:
        if self._controlling != aiortc_compat.is_controlling(
            self._ice
        ):  # a conflict was settled late
            self._controlling = not self._controlling
            self._attributes = aiortc_compat.check_attributes(self._ice)
        transaction = os.urandom(12)
        self._asked.append(transaction)
        path.send(stun.signed(stun.REQUEST, transaction, self._attributes, self._theirs))

    def _was_given(self, message: bytes, transaction: bytes) -> bool:
        if transaction not in self._asked or stun.verified(message, self._theirs) is None:
            return False
        self._asked.clear()
        self._given_s = time.monotonic()
        return True

    def _is_ordinary(self, said: dict[int, bytes] | None) -> bool:
        """Whether a check that said this is signed, for us, and of the pair as it is."""
        if said is None or said.get(stun.USERNAME) != self._username:
            return False
        conflict = stun.CONTROLLING if aiortc_compat.is_controlling(self._ice) else stun.CONTROLLED
        return conflict not in said and all(
            kind in _KNOWN or kind >= stun.OPTIONAL for kind in said
        )
