"""Which of a camera's streams an offer can take, and the answer that says so.

Whatever H.264 the camera sends is answered as the offered constrained baseline (42e01f), as
other relays do: a decoder goes by the SPS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.model.errors import ViewerRejected
from gateway.model.media import Codec, VideoFormat
from gateway.model.reasons import Reason
from gateway.webrtc.packet_batch import RtpParameters
from gateway.webrtc.sdp_offer import OfferedCodec, ViewerOffer

_FEEDBACK = ("nack", "nack pli", "ccm fir")


@dataclass(frozen=True, slots=True)
class Local:
    """Our side of ICE and DTLS.

    Attributes:
        ufrag: ICE user name fragment.
        pwd: ICE password.
        sha_256: Our certificate's fingerprint.
        candidates: All we have, without ``a=candidate:``.
    """

    ufrag: str
    pwd: str
    sha_256: str
    candidates: tuple[str, ...]


def pick_codec(offer: ViewerOffer, codec: Codec) -> OfferedCodec | None:
    """Return the payload type of *offer* that carries *codec*; None if the viewer has none.

    For H.264 only packetization-mode 1 will do, since cameras send FU-A (RFC 6184 §6.3); among
    those constrained baseline comes first.
    """
    fitting = [c for c in offer.codecs if c.name == codec]
    if codec == "h264":
        fitting = [c for c in fitting if c.parameters.get("packetization-mode") == "1"]
        fitting.sort(key=lambda c: not c.parameters.get("profile-level-id", "").startswith("42e0"))
    return fitting[0] if fitting else None


def choose(
    offer: ViewerOffer, formats: Iterable[tuple[str, VideoFormat]]
) -> tuple[str, OfferedCodec]:
    """Return the first profile of *formats* that the viewer can take, and how.

    Raises:
        ViewerRejected: 488, naming what the camera sends and what the viewer lacks.
    """
    seen = []
    for profile, video in formats:
        codec = pick_codec(offer, video.codec)
        if codec is not None:
            return profile, codec
        seen.append(f"{profile}: {video.codec}")
    raise ViewerRejected(
        488, Reason.UNSUPPORTED_CODEC, f"the viewer takes none of {', '.join(seen)}"
    )


def answer_sdp(
    offer: ViewerOffer, codec: OfferedCodec, numbers: RtpParameters, local: Local
) -> str:
    """Return the answer: the video of *codec*, sent only; everything else refused."""
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {offer.video_mid}",
        "a=msid-semantic:WMS *",
    ]
    for mid, kind in offer.mids:
        if mid == offer.video_mid:
            lines += _video_section(offer.video_mid, codec, numbers, local)
        else:
            lines += [
                f"m={kind} 0 UDP/TLS/RTP/SAVPF 0",
                "c=IN IP4 0.0.0.0",
                f"a=mid:{mid}",
                "a=inactive",
            ]
    return "\r\n".join([*lines, ""])


def _video_section(
    mid: str, codec: OfferedCodec, numbers: RtpParameters, local: Local
) -> list[str]:
    number, repeats = codec.payload_type, numbers.rtx_payload_type
    types = f"{number}" if repeats is None else f"{number} {repeats}"
    lines = [
        f"m=video 9 UDP/TLS/RTP/SAVPF {types}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:sha-256 {local.sha_256}",
        "a=setup:passive",
        f"a=mid:{mid}",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=rtpmap:{number} {codec.name.upper()}/90000",
        *(f"a=rtcp-fb:{number} {feedback}" for feedback in _FEEDBACK),
        *_fmtp(codec),
        f"a=msid:camera {mid}",
    ]
    if repeats is not None:
        lines += [
            f"a=rtpmap:{repeats} rtx/90000",
            f"a=fmtp:{repeats} apt={number}",
            f"a=ssrc-group:FID {numbers.ssrc} {numbers.rtx_ssrc}",
        ]
    # Chromium takes the first SSRC for the media, whatever the group says.
    lines.append(f"a=ssrc:{numbers.ssrc} cname:camera")
    if repeats is not None:
        lines.append(f"a=ssrc:{numbers.rtx_ssrc} cname:camera")
    lines += [f"a=candidate:{candidate}" for candidate in local.candidates]
    return [*lines, "a=end-of-candidates"]


def _fmtp(codec: OfferedCodec) -> list[str]:
    parameters = dict(codec.parameters)
    if codec.name == "h264":
        offered = parameters.get("profile-level-id", "42e01f")
        parameters = {
            "level-asymmetry-allowed": "1",
            "packetization-mode": "1",
            "profile-level-id": offered if offered.startswith("42e0") else "42e01f",
        }
    if not parameters:
        return []
    text = ";".join(f"{key}={value}" for key, value in parameters.items())
    return [f"a=fmtp:{codec.payload_type} {text}"]
