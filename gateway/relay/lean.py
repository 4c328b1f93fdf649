"""The part of aiortc that we use, without those that we do not: FFmpeg, mDNS and SCTP, 23 MB.

`aiortc/__init__.py` imports every module, and those for media import PyAV, which loads all of
FFmpeg. ICE and DTLS need none of it. So the package is put in place without its `__init__`, which
runs later, once, should anybody ask the package itself for a name (`from aiortc import
RTCPeerConnection`): there is one aiortc in a process, whole as soon as that is wanted. If it is
there already, nothing is done.

Everything of aiortc is imported here and nowhere else, so that no room loads it whole by accident.
`tests/unit/relay/test_lean.py` holds one test per assumption.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from types import ModuleType

from gateway.aio.late import Late, load, put_off

__all__ = [
    "SRTP_PROFILES",
    "RTCCertificate",
    "RTCDtlsFingerprint",
    "RTCDtlsParameters",
    "RTCDtlsTransport",
    "RTCIceCandidate",
    "RTCIceGatherer",
    "RTCIceParameters",
    "RTCIceServer",
    "RTCIceTransport",
    "RTCIceTransportPolicy",
]

PACKAGE, MEDIA = "aiortc", "av"
ICE, NAMES = "aioice", "aioice.mdns"
SCTP, CHANNELS = "aiortc.rtcsctptransport", "aiortc.rtcdatachannel"

_ASKED_FOR = frozenset({"__all__", "__version__"})
"""What `__init__` defines of the names that Python itself asks any module for."""

_LOCAL_NAME = re.compile(r"^[a-zA-Z0-9-]{1,63}\.local$")


class _Unopened(ModuleType):
    """A package whose `__init__` runs when it is first asked for a name it does not have."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name not in _ASKED_FOR:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module = f"{self.__name__}.{name}"
        if find_spec(module) is not None:
            return importlib.import_module(module)
        _open(self)
        return getattr(self, name)


class _NoMedia(ModuleType):
    """Stands for PyAV while `aiortc.rtp` is imported, which names one class in an annotation."""

    class AudioFrame:
        """Only a name."""

        def __init__(self) -> None:
            raise NotImplementedError("PyAV is not loaded in this process; import aiortc first")


class _LateNames(Late):
    """Stands for multicast DNS, 5 MB of it, until somebody looks up a ``.local`` name: we never do.

    `aioice.ice` names one class of it in an annotation, and asks of every candidate whether it is
    such a name.
    """

    class MDnsProtocol:
        """Only a name."""

    @staticmethod
    def is_mdns_hostname(name: str) -> bool:
        """Say of *name* what aioice's own says, which would load the rest."""
        return _LOCAL_NAME.match(name) is not None


class _LateSctp(Late):
    """Stands for SCTP, which carries data channels: we have none."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            return super().__getattr__(name)
        # They import each other, which works in this order only. On its way it asks us for a name.
        importlib.import_module(CHANNELS)
        if isinstance(self, _LateSctp):
            load(self)
        return getattr(self, name)


def _open(package: ModuleType) -> None:
    """Make *package* what it is without us."""
    spec = package.__spec__
    assert spec is not None
    assert spec.loader is not None
    media = importlib.import_module(MEDIA)
    package.__class__ = ModuleType  # its own modules ask it for names on the way
    sys.modules[f"{PACKAGE}.rtp"].__dict__["AudioFrame"] = media.AudioFrame
    spec.loader.exec_module(package)


@contextmanager
def _without_media() -> Iterator[None]:
    """Let modules of aiortc be imported that need no media, without those that do."""
    if PACKAGE in sys.modules:
        yield
        return
    spec = find_spec(PACKAGE)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {PACKAGE!r}", name=PACKAGE)
    package = sys.modules[PACKAGE] = module_from_spec(spec)
    stands_in = MEDIA not in sys.modules
    if stands_in:
        sys.modules[MEDIA] = _NoMedia(MEDIA)
    try:
        yield
    finally:
        if stands_in:
            del sys.modules[MEDIA]
        package.__class__ = _Unopened


if ICE not in sys.modules:
    put_off(NAMES, _LateNames)
with _without_media():
    put_off(SCTP, _LateSctp)
    from aiortc.rtcconfiguration import RTCIceServer, RTCIceTransportPolicy
    from aiortc.rtcdtlstransport import (
        SRTP_PROFILES,
        RTCCertificate,
        RTCDtlsFingerprint,
        RTCDtlsParameters,
        RTCDtlsTransport,
    )
    from aiortc.rtcicetransport import (
        RTCIceCandidate,
        RTCIceGatherer,
        RTCIceParameters,
        RTCIceTransport,
    )
