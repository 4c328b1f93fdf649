"""What a camera's viewers are given to choose from."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.cameras.manager import CameraManager
from gateway.model.media import SourceCounters
from gateway.model.site_document import CameraConfig, SiteConfig
from gateway.ports import Sink
from gateway.streams.stream import Stream
from tests.fixtures.clock import FakeClock

CAMERA = CameraConfig.model_validate(
    {
        "id": "c01",
        "name": "Sảnh",
        "streams": [
            {"profile": "main", "url": "rtsp://10.0.0.1/main"},
            {"profile": "sub", "url": "rtsp://10.0.0.1/sub"},
        ],
    }
)


@dataclass
class IdleSource:
    """A source that nobody opens."""

    counters: SourceCounters = field(default_factory=SourceCounters)
    running: bool = False
    divisor: int = 0
    dropped: int = 0
    deaths: int = 0
    target_bps: float = 0.0
    refusal: str = ""

    async def run(self, _sink: Sink) -> None:
        raise NotImplementedError

    async def check(self) -> None:
        raise NotImplementedError

    def request_keyframe(self) -> bool:
        return False

    def admit(self) -> str:
        return self.refusal


def test_each_stream_can_be_transcoded_and_reduced() -> None:
    """In the order of the configuration; which of the two is asked for admission is told apart."""

    def transcode(
        site: SiteConfig, name: str, stream: Stream, *, reduced: bool = False
    ) -> IdleSource:
        assert name.endswith("/reduced") == reduced
        assert (site.cameras, stream.readers) == ((CAMERA,), 0)
        return IdleSource(refusal=name)

    manager = CameraManager(
        SiteConfig(cameras=(CAMERA,)),
        source=lambda *_: IdleSource(),
        viewers=lambda _camera: 0,
        transcode=transcode,
        clock=FakeClock(),
    )

    found = manager.find("c01")

    assert found is not None
    made = [(name, found.admit_transcode(each)) for name, each in found.transcodes]
    small = [(name, found.admit_transcode(each)) for name, each in found.reduced]
    assert made == [("main", "c01/main/transcoded"), ("sub", "c01/sub/transcoded")]
    assert small == [("main", "c01/main/reduced"), ("sub", "c01/sub/reduced")]
