"""The SDP answer: one video section that only sends, everything else refused (RFC 8829 §5.3).

Whatever H.264 the camera sends is answered as the offered constrained baseline (42e01f), as
other relays do: a decoder goes by the SPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.webrtc.packet_batch import RtpParameters
from gateway.webrtc.playout_delay import PLAYOUT_DELAY_URI
from gateway.webrtc.sdp_offer import OfferedCodec, OfferedSection, ViewerOffer

_FEEDBACK = ("nack", "nack pli", "ccm fir")


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our side of ICE and DTLS, as it stands in the answer.

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


def answer_sdp(
    offer: ViewerOffer,
    codec: OfferedCodec,
    parameters: RtpParameters,
    local: LocalTransport,
    others: Sequence[OfferedCodec] = (),
) -> str:
    """Return the answer: the video of *codec*, sent only; everything else refused.

    The video may become one of *others*, under its own payload type and the same SSRC.

    The section whose transport the video shares cannot be refused (RFC 9143 §7.3.3); it is answered
    as inactive.
    """
    bundle = [mid for mid in (offer.tagged_mid, offer.video_mid) if mid is not None]
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        *([f"a=group:BUNDLE {' '.join(bundle)}"] if offer.bundled else []),
        "a=msid-semantic:WMS *",
    ]
    for section in offer.sections:
        if section.mid == offer.video_mid:
            lines += _video_section(section, (codec, *others), parameters, local)
        elif section.mid == offer.tagged_mid:
            lines += _inactive_section(section, local)
        else:
            lines += [
                f"m={section.kind} 0 {section.protocol} {section.first_format}",
                "c=IN IP4 0.0.0.0",
                f"a=mid:{section.mid}",
                "a=inactive",
            ]
    return "\r\n".join([*lines, ""])


def _video_section(
    section: OfferedSection,
    codecs: Sequence[OfferedCodec],
    parameters: RtpParameters,
    local: LocalTransport,
) -> list[str]:
    rtx = parameters.rtx_payload_type
    types = [(each.payload_type, each.rtx_payload_type) for each in codecs]
    listed = " ".join(str(each) for pair in types for each in pair if each is not None)
    lines = [
        f"m=video 9 {section.protocol} {listed}",
        *_transport(section, local),
        "a=sendonly",
        *(line for codec in codecs for line in _codec(codec)),
        *_extmap(parameters),
        f"a=msid:camera {section.mid}",
    ]
    if rtx is not None:
        lines.append(f"a=ssrc-group:FID {parameters.ssrc} {parameters.rtx_ssrc}")
    # Chromium takes the first SSRC for the media, whatever the group says.
    lines.append(f"a=ssrc:{parameters.ssrc} cname:camera")
    if rtx is not None:
        lines.append(f"a=ssrc:{parameters.rtx_ssrc} cname:camera")
    return lines


def _codec(codec: OfferedCodec) -> list[str]:
    number, rtx = codec.payload_type, codec.rtx_payload_type
    lines = [
        f"a=rtpmap:{number} {codec.name.upper()}/90000",
        *(f"a=rtcp-fb:{number} {feedback}" for feedback in _FEEDBACK),
        *_fmtp(codec),
    ]
    if rtx is not None:
        lines += [f"a=rtpmap:{rtx} rtx/90000", f"a=fmtp:{rtx} apt={number}"]
    return lines


def _inactive_section(section: OfferedSection, local: LocalTransport) -> list[str]:
    return [
        f"m={section.kind} 9 {section.protocol} {section.first_format}",
        *_transport(section, local),
        "a=inactive",
        *([f"a=rtpmap:{section.rtpmap}"] if section.rtpmap else []),
    ]


def _transport(section: OfferedSection, local: LocalTransport) -> list[str]:
    """Return what stands in every section that is not refused."""
    return [
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        *(f"a=candidate:{candidate}" for candidate in local.candidates),
        "a=end-of-candidates",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:sha-256 {local.sha_256}",
        "a=setup:passive",
        f"a=mid:{section.mid}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
    ]


def _extmap(parameters: RtpParameters) -> list[str]:
    identifier = parameters.playout_delay_id
    return [] if identifier is None else [f"a=extmap:{identifier} {PLAYOUT_DELAY_URI}"]


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
