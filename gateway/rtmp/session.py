"""Plays one live stream over RTMP: what to send, and what the answers mean. No I/O.

References: RTMP 1.0 §5.2 (handshake), §5.4 and §6.2 (control), §7.2 (commands).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from gateway.model.errors import CodecUnsupported, GatewayError, SourceStalled
from gateway.model.reasons import Reason
from gateway.rtmp import amf0, flv
from gateway.rtmp.amf0 import Amf0
from gateway.rtmp.chunks import ChunkReader, Message, MessageType, encode_message
from gateway.rtmp.errors import corrupt, error_of_info
from gateway.rtp.packet import Malformed
from gateway.rtsp.budget import MESSAGES, PACKETS, CameraBudget
from gateway.runtime.plain_text import printable
from gateway.runtime.url_policy import Target

HANDSHAKE_BYTES = 1_536
VERSION = 3

FLASH_VERSION = "LNX 9,0,124,2"
"""As FFmpeg and librtmp say, on which cameras were tried."""

BUFFER_MS = 3_000
"""How much the camera may send at once, of what it has kept (§7.1.7)."""

MOST_NAME_CHARS = 100
"""Of what the camera calls itself."""

OUR_WINDOW_BYTES = 2_500_000
CHUNKS_PER_PACKET = 8
"""So many chunks cost as much as one packet: their size is the camera's choice."""

_CONTROL, _COMMANDS, _STREAM = 2, 3, 8  # chunk streams that we send on
_LIVE_OR_RECORDED = -2_000.0


class Phase(Enum):
    """How far a session is; the value is what the camera is asked for."""

    HANDSHAKE = "the handshake"
    CONNECT = "connect"
    CREATE = "createStream"
    PLAY = "play"
    PLAYING = "the stream"


class _Event(Enum):
    """User control events (§7.1.7)."""

    STREAM_EOF = 1
    SET_BUFFER = 3
    PING = 6
    PONG = 7


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """What of a URL stands where in RTMP's commands.

    Attributes:
        app: Of `connect`.
        name: Of `play`; may be empty.
        url: ``tcUrl`` of `connect`.
    """

    app: str
    name: str
    url: str


def address_of(target: Target) -> StreamAddress:
    """Return the parts of *target*, cut as FFmpeg and librtmp do, on which cameras were tried.

    ``/app/name``, ``/app/instance/name`` (the first two are the app) or ``/app``; the query belongs
    to what it stands behind.
    """
    path, mark, query = target.path.lstrip("/").partition("?")
    parts = path.split("/", 2)
    if len(parts) == 3 and ":" not in parts[1]:
        parts = [f"{parts[0]}/{parts[1]}", parts[2]]
    app, name = parts[0], "/".join(parts[1:])
    if len(parts) == 1:
        app += mark + query
    else:
        name += mark + query
    return StreamAddress(app, name, f"{target.scheme}://{target.authority}/{app}")


class PlaySession:
    """One session, from the handshake on.

    Args:
        target: Which stream; the login stands in it.
        noise: `HANDSHAKE_BYTES` less 8 of any bytes.
        budget: What the camera may cost.
        offers_h265: Whether to say that we take H.265 as Enhanced RTMP has it. Some servers hang up
            at an H.265 stream without it (MediaMTX); others cannot read the array that says so
            (go2rtc).

    Attributes:
        phase: How far it is.
        outgoing: To be sent; whoever sends it clears it.
        codec: ``h264`` or ``h265``; empty before the first video message.
        keyframes: Video messages that say they are one.
        pictures: Video messages.
        discarded: Messages of no use: sound, data, and what follows no rule.
        server: What the camera calls itself, fit to be shown; empty if it does not.
    """

    def __init__(
        self, target: Target, *, noise: bytes, budget: CameraBudget, offers_h265: bool = False
    ) -> None:
        self._where = f"{target.host}:{target.port}"
        self._address = address_of(target)
        self._budget = budget
        self._offers_h265 = offers_h265
        self._reader = ChunkReader()
        self._greeting = bytearray()
        self._greeted = 0  # bytes of the handshake that have been answered
        self._received = self._acknowledged = 0
        self._window = 0
        self._charged = 0
        self.phase = Phase.HANDSHAKE
        self.outgoing = bytearray(bytes((VERSION,)) + bytes(8) + noise)
        self.codec = ""
        self.keyframes = self.pictures = self.discarded = 0
        self.server = ""

    @property
    def accepted(self) -> bool:
        """Whether the camera has been asked to play, so that login and application are right."""
        return self.phase in (Phase.PLAY, Phase.PLAYING)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what the camera has sent; return the FLV tags of the video in it.

        Raises:
            SourceStalled: The camera has ended the stream.
            SourceRefused: It refuses it, for ever.
            SourceUnavailable: It refuses it now, breaks the protocol, or sends too much.
            CodecUnsupported: It is neither H.264 nor H.265.
        """
        self._received += len(data)
        try:
            if self.phase is Phase.HANDSHAKE:
                data = self._take_handshake(data)
            messages = self._reader.feed(data)
            self._charge()
            tags = [tag for each in messages for tag in self._handle(each)]
            if self._reader.error is not None:
                raise self._reader.error
        except Malformed as error:
            raise corrupt(self._where, str(error)) from error
        if self._window and self._received - self._acknowledged >= self._window:
            self._acknowledged = self._received
            self._control(MessageType.ACKNOWLEDGEMENT, (self._received & 0xFFFF_FFFF).to_bytes(4))
        return tags

    def leave(self) -> None:
        """Say goodbye, so that the camera has a session free at once."""
        if self.phase is Phase.PLAYING:
            self._command(_COMMANDS, 0, "deleteStream", 0, None, 1)

    def error_of_end(self) -> GatewayError:
        """Return what it means that the camera has closed the connection now."""
        if self.phase is Phase.PLAYING:
            return SourceStalled(Reason.STALLED, f"{self._where} has closed the connection")
        if self.phase is Phase.HANDSHAKE:
            return corrupt(self._where, "closes the connection within RTMP's handshake")
        detail = f"closes the connection at {self.phase.value}; some do at a wrong login or path"
        return SourceStalled(Reason.REFUSED, f"{self._where} {detail}")

    def _take_handshake(self, data: bytes) -> bytes:
        """Take S0, S1 and S2; return what is behind them (§5.2)."""
        self._greeting += data
        if self._greeting[:1] and self._greeting[0] != VERSION:
            raise Malformed(f"does not speak RTMP: it begins with {self._greeting[0]:#04x}")
        if not self._greeted and len(self._greeting) > HANDSHAKE_BYTES:
            first = self._greeting[1 : 1 + HANDSHAKE_BYTES]
            self.outgoing += first[:4] + bytes(4) + first[8:]
            self._greeted = 1 + HANDSHAKE_BYTES
        whole = 1 + 2 * HANDSHAKE_BYTES
        if len(self._greeting) < whole:
            return b""
        rest = bytes(self._greeting[whole:])
        self._greeting.clear()
        self.phase = Phase.CONNECT
        self._connect()
        return rest

    def _connect(self) -> None:
        about: dict[str, object] = {
            "app": self._address.app,
            "flashVer": FLASH_VERSION,
            "tcUrl": self._address.url,
            "fpad": False,
            "capabilities": 15,
            "audioCodecs": 4_071,
            "videoCodecs": 252,
            "videoFunction": 1,
        }
        if self._offers_h265:
            about["fourCcList"] = ("hvc1",)
        self._command(_COMMANDS, 0, "connect", 1, about)

    def _charge(self) -> None:
        reader = self._reader
        cost = reader.messages + reader.chunks // CHUNKS_PER_PACKET
        self._budget.charge(PACKETS, cost - self._charged)
        self._charged = cost

    def _handle(self, message: Message) -> list[bytes]:
        match message.type:
            case MessageType.VIDEO:
                return self._video([(message.time_ms, message.payload)])
            case MessageType.AGGREGATE:
                return self._video(self._taken_apart(message))
            case MessageType.COMMAND | MessageType.COMMAND_AMF3:
                self._budget.charge(MESSAGES)
                skip = int(message.type == MessageType.COMMAND_AMF3)
                self._on_command(amf0.decode_beginning(message.payload[skip:]))
            case MessageType.USER_CONTROL:
                self._budget.charge(MESSAGES)
                self._on_event(message.payload)
            case MessageType.WINDOW_SIZE:
                self._budget.charge(MESSAGES)
                self._window = int.from_bytes(message.payload)
            case MessageType.ACKNOWLEDGEMENT | MessageType.PEER_BANDWIDTH:
                pass
            case _:
                self.discarded += 1
        return []

    def _taken_apart(self, aggregate: Message) -> Iterator[tuple[int, bytes]]:
        """Yield the video in *aggregate*; each costs what a message of its own would."""
        for kind, time_ms, body in flv.tags_of_aggregate(aggregate.time_ms, aggregate.payload):
            self._budget.charge(PACKETS)
            if kind == MessageType.VIDEO:
                yield time_ms, body

    def _video(self, messages: Iterable[tuple[int, bytes]]) -> list[bytes]:
        tags: list[bytes] = []
        for time_ms, body in messages:
            if not self.accepted:
                self.discarded += 1
                continue
            if len(body) < 2 or flv.is_command(body):
                continue
            self.phase = Phase.PLAYING
            if not self.codec:
                self.codec = self._codec(body)
            self.pictures += 1
            self.keyframes += flv.is_keyframe(body)
            tags.append(flv.video_tag(time_ms, flv.with_fourcc(body)))
        return tags

    def _codec(self, body: bytes) -> str:
        codec = flv.codec_of(body)
        if codec in ("h264", "h265"):
            return codec
        detail = f"the camera sends {codec} over RTMP; H.264 and H.265 can be taken"
        raise CodecUnsupported(Reason.UNSUPPORTED_CODEC, detail, park_s=300.0)

    def _on_command(self, values: list[Amf0]) -> None:
        name = values[0] if values else None
        info = next((each for each in values[2:] if isinstance(each, dict) and "code" in each), {})
        match name:
            case "_result" if self.phase is Phase.CONNECT and values[1:2] == [1.0]:
                self._raise_for("connect", info)
                self._note_server(values)
                self.phase = Phase.CREATE
                self._control(MessageType.WINDOW_SIZE, OUR_WINDOW_BYTES.to_bytes(4))
                self._command(_COMMANDS, 0, "createStream", 2, None)
            case "_result" if self.phase is Phase.CREATE and values[1:2] == [2.0]:
                self._play(values[3] if len(values) > 3 else None)
            case "_error":
                error = error_of_info(self.phase.value, {"level": "error", **info})
                assert error is not None
                raise error
            case "onStatus" | "onPlayStatus":
                asked = "connect" if self.phase is Phase.CONNECT else "play"
                self._raise_for(asked, info)
                if self.phase is Phase.PLAY and info.get("code") == "NetStream.Play.Start":
                    self.phase = Phase.PLAYING
            case "close":
                raise SourceStalled(Reason.SOURCE_ENDED, "the camera has closed the stream")
            case _:
                pass

    def _raise_for(self, command: str, info: dict[str, Amf0]) -> None:
        good = command == "connect" and info.get("code") in (None, "NetConnection.Connect.Success")
        error = None if good else error_of_info(command, dict(info))
        if error is not None:
            raise error

    def _note_server(self, values: list[Amf0]) -> None:
        for each in values[2:]:
            if isinstance(each, dict) and isinstance(each.get("fmsVer"), str):
                self.server = printable(str(each["fmsVer"])[:MOST_NAME_CHARS])[:MOST_NAME_CHARS]

    def _play(self, stream: Amf0) -> None:
        if not isinstance(stream, float) or not 0 <= stream < 2**32:
            raise Malformed("createStream answered without a number")
        number = int(stream)
        self.phase = Phase.PLAY
        self._command(_STREAM, number, "play", 3, None, self._address.name, _LIVE_OR_RECORDED)
        buffer = number.to_bytes(4) + BUFFER_MS.to_bytes(4)
        self._control(MessageType.USER_CONTROL, _Event.SET_BUFFER.value.to_bytes(2) + buffer)

    def _on_event(self, payload: bytes) -> None:
        event = int.from_bytes(payload[:2])
        if event == _Event.PING.value:
            answer = _Event.PONG.value.to_bytes(2) + payload[2:6]
            self._control(MessageType.USER_CONTROL, answer)
        elif event == _Event.STREAM_EOF.value and self.phase is Phase.PLAYING:
            raise SourceStalled(Reason.SOURCE_ENDED, "the camera has ended the stream")

    def _control(self, kind: MessageType, payload: bytes) -> None:
        self.outgoing += encode_message(_CONTROL, Message(kind, 0, 0, payload))

    def _command(self, number: int, stream: int, *values: object) -> None:
        message = Message(MessageType.COMMAND, stream, 0, amf0.encode(values))
        self.outgoing += encode_message(number, message)
