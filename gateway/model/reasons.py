"""The closed list of reasons an operator may see.

The codes are sent; the sentences, Vietnamese and English, are in `gateway.model.reason_texts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something is as it is. The value is what is sent."""

    OK = "OK"
    IDLE = "IDLE"
    CONNECTING = "CONNECTING"
    AUTH_FAILED = "AUTH_FAILED"
    NOT_FOUND = "NOT_FOUND"
    BUSY_SESSIONS = "BUSY_SESSIONS"
    REFUSED = "REFUSED"
    UNREACHABLE = "UNREACHABLE"
    DNS_FAILED = "DNS_FAILED"
    TIMEOUT = "TIMEOUT"
    STALLED = "STALLED"
    CORRUPT = "CORRUPT"
    ABUSIVE = "ABUSIVE"
    UNSUPPORTED_CODEC = "UNSUPPORTED_CODEC"
    UNSUPPORTED_TRANSPORT = "UNSUPPORTED_TRANSPORT"
    KEYFRAME_STARVED = "KEYFRAME_STARVED"
    CLOCK_JUMP = "CLOCK_JUMP"
    REDIRECT_REFUSED = "REDIRECT_REFUSED"
    POLICY_DENIED = "POLICY_DENIED"
    PAUSED_BY_CONFIG = "PAUSED_BY_CONFIG"
    OVERLOADED = "OVERLOADED"
    UPLINK_DOWN = "UPLINK_DOWN"
    TURN_DOWN = "TURN_DOWN"
    TLS_FAILED = "TLS_FAILED"
    TLS_EXPIRED = "TLS_EXPIRED"
    TLS_NOT_YET_VALID = "TLS_NOT_YET_VALID"
    NOT_AUTHORISED = "NOT_AUTHORISED"
    DUPLICATE_IDENTITY = "DUPLICATE_IDENTITY"
    DISK_FULL = "DISK_FULL"
    DISK_READONLY = "DISK_READONLY"
    CONFIG_REJECTED = "CONFIG_REJECTED"
    OFFER_INVALID = "OFFER_INVALID"
    VIEWER_GONE = "VIEWER_GONE"
    VIEW_NOT_ALLOWED = "VIEW_NOT_ALLOWED"
    VIEW_TOKEN_EXPIRED = "VIEW_TOKEN_EXPIRED"
    VIEW_REVOKED = "VIEW_REVOKED"
    OVERHEATED = "OVERHEATED"
    THROTTLED = "THROTTLED"
    UNDERVOLTAGE = "UNDERVOLTAGE"
    CPU_BUSY = "CPU_BUSY"
    MEMORY_LOW = "MEMORY_LOW"
    DISK_NEARLY_FULL = "DISK_NEARLY_FULL"
    DESCRIPTORS_LOW = "DESCRIPTORS_LOW"
    CLOCK_UNSYNCED = "CLOCK_UNSYNCED"
    CLOCK_OFF = "CLOCK_OFF"
    RECORDER_DOWN = "RECORDER_DOWN"
    PARENT_DOWN = "PARENT_DOWN"
    FLAPPING = "FLAPPING"
    CERT_ENDS_SOON = "CERT_ENDS_SOON"
    ROLLED_BACK = "ROLLED_BACK"
    PICTURE_BLACK = "PICTURE_BLACK"
    PICTURE_FROZEN = "PICTURE_FROZEN"
    PICTURE_BLURRED = "PICTURE_BLURRED"
    PICTURE_COVERED = "PICTURE_COVERED"
    PICTURE_MOVED = "PICTURE_MOVED"


@dataclass(frozen=True, slots=True)
class Wording:
    """What a person reads about a reason.

    Attributes:
        vi: The fact in Vietnamese.
        en: The fact in English.
        vi_todo: What to do about it, in Vietnamese; empty if nothing.
        en_todo: What to do about it, in English; empty if nothing.
    """

    vi: str
    en: str
    vi_todo: str = ""
    en_todo: str = ""
