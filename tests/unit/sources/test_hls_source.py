"""Cameras that send HLS: playlists, segments, logins, and every way to fail, by a real demuxer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_network
from itertools import pairwise

import pytest
from aiohttp import web
from pydantic import SecretStr

from gateway.cameras.probe import probe
from gateway.hls.live_window import MOST_BEHIND
from gateway.hls.playlist import MOST_BYTES
from gateway.model.errors import GatewayError, TransientError
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, SecretRef, StreamConfig
from gateway.ports import Clock, Source
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.sources.hls_stream import MOST_INIT_BYTES, MOST_MISSING
from gateway.sources.http_clock import CLOCK_EVERY_S
from gateway.sources.probe_steps import Step
from gateway.sources.registry import source_type, url_policy
from gateway.transcoding.capacity import Capacity
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.containers import STEP_90K, container, muxed
from tests.fixtures.hls_camera import HlsCamera, hls_camera, media_playlist
from tests.fixtures.http_camera import PASSWORD, USER, digest, http_camera
from tests.fixtures.sinks import RecordingSink

CLOCK = SystemClock()
NETWORKS = (ip_network("127.0.0.0/8"),)
LIST = "/hls/index.m3u8"
Files = Mapping[str, bytes | str]


def cut(count: int = 3) -> list[bytes]:
    """Return one MPEG-TS of 30 pictures, three GOPs, as segments of a GOP."""
    whole = muxed("mpegts")
    ends = [0, whole.ends[9], whole.ends[19], len(whole.data)]
    return [whole.data[begin:end] for begin, end in pairwise(ends)][:count]


def source(
    port: int,
    path: str = LIST,
    *,
    password: str | None = None,
    allow_basic: bool = False,
    clock: Clock = CLOCK,
) -> Source:
    stream = StreamConfig(url=f"http://127.0.0.1:{port}{path}", stall_s=2.0)
    camera = CameraConfig(
        id="c1",
        name="hls",
        username=None if password is None else USER,
        password=SecretRef.model_validate({"$ref": "secret:hls"}) if allow_basic else None,
        allow_basic=allow_basic,
        streams=(stream,),
    )
    return source_type(stream.url).create(
        camera,
        stream,
        password=None if password is None else SecretStr(password),
        policy=url_policy(NETWORKS, (port,), opened=("http",)),
        login_limiter=LoginLimiter(CLOCK),
        payload_bytes=1_180,
        clock=clock,
        capacity=Capacity(4.0),
    )


async def failure(pulled: Source, sink: RecordingSink | None = None) -> GatewayError:
    """Return what ends *pulled*."""
    async with asyncio.timeout(HANG_S):
        with pytest.raises(GatewayError) as caught:
            await pulled.run(sink or RecordingSink())
    return caught.value


async def failure_of(files: Files) -> GatewayError:
    """Return what ends a camera of *files*."""
    async with hls_camera(files) as camera:
        return await failure(source(camera.port))


async def publish(camera: HlsCamera, names: list[str]) -> None:
    """Publish *names* one after the other, each once the playlist was asked for again."""
    for count in range(2, len(names) + 1):
        await camera.until_asked(LIST, count)
        camera.files[LIST] = media_playlist(names[:count], ended=count == len(names))


async def test_segments_follow_each_other() -> None:
    """One demuxer, every picture once, at its time; a camera that ends is told."""
    sink = RecordingSink()
    segments = dict(zip(("/hls/0.ts", "/hls/1.ts", "/hls/2.ts"), cut(), strict=True))
    async with hls_camera({**segments, LIST: media_playlist(["0.ts"])}) as camera:
        pulled = source(camera.port)
        publishing = asyncio.create_task(publish(camera, ["0.ts", "1.ts", "2.ts"]))
        error = await failure(pulled, sink)
        await publishing

    assert error.reason is Reason.SOURCE_ENDED
    assert len(sink.units) == 30
    assert {b.time_90k - a.time_90k for a, b in pairwise(sink.units)} == {STEP_90K}
    assert [index for index, unit in enumerate(sink.units) if unit.keyframe] == [0, 10, 20]
    assert pulled.counters.sessions == 1
    assert len(sink.formats) == 1


async def test_no_picture_is_lost_where_counters_begin_anew() -> None:
    """As those of many servers do in each segment; nothing is lost between whole files."""
    sink = RecordingSink()
    segments = {f"/hls/{each}.ts": container("mpegts", pictures=5) for each in range(3)}
    async with hls_camera({**segments, LIST: media_playlist(["0.ts"])}) as camera:
        pulled = source(camera.port)
        publishing = asyncio.create_task(publish(camera, ["0.ts", "1.ts", "2.ts"]))
        await failure(pulled, sink)
        await publishing

    assert len(sink.units) == 15
    assert (pulled.counters.discarded, pulled.counters.sessions) == (0, 1)


async def test_a_playlist_that_goes_away_is_looked_for_again_soon() -> None:
    """Sessions of a server end, and with them their paths; the first path leads to the next."""
    files: Files = {LIST: media_playlist(["0.ts"]), "/hls/0.ts": container("mpegts")}
    async with hls_camera(files) as camera:
        running = asyncio.create_task(failure(source(camera.port)))
        await camera.until_asked("/hls/0.ts")
        del camera.files[LIST]
        error = await running

    assert error.reason is Reason.NOT_FOUND
    assert isinstance(error, TransientError)


async def test_pictures_come_evenly() -> None:
    """Not in the bursts in which segments come: each when it is shown, or later."""
    sink = RecordingSink()
    files: Files = {"/hls/0.ts": container("mpegts"), LIST: media_playlist(["0.ts"], ended=True)}
    async with hls_camera(files) as camera:
        await failure(source(camera.port), sink)

    begun_s = sink.units[0].arrived_s
    for index, unit in enumerate(sink.units):
        assert unit.arrived_s - begun_s >= (index - 1) * STEP_90K / 90_000


async def test_the_newest_segment_is_the_first() -> None:
    """Somebody waits for the picture."""
    files: Files = {
        LIST: media_playlist(["0.ts", "1.ts", "2.ts"], ended=True),
        "/hls/2.ts": container("mpegts"),
    }
    async with hls_camera(files) as camera:
        await failure(source(camera.port))

    assert camera.asked == [LIST, "/hls/2.ts"]


async def test_the_best_quality_is_taken() -> None:
    """Of those whose video can be passed on, as far as the master playlist says."""
    master = "#EXTM3U\n"
    for name, rate, codecs in (("a", 9, "av01.0"), ("b", 3, "avc1.64"), ("c", 5, "hvc1.1")):
        master += f'#EXT-X-STREAM-INF:BANDWIDTH={rate}000000,CODECS="{codecs}"\n{name}/x.m3u8?t=1\n'
    files: Files = {
        LIST: master,
        "/hls/c/x.m3u8": media_playlist(["0.ts"], ended=True),
        "/hls/c/0.ts": container("mpegts"),
    }
    async with hls_camera(files) as camera:
        await failure(source(camera.port))

    assert camera.asked == [LIST, "/hls/c/x.m3u8?t=1", "/hls/c/0.ts"]


async def test_a_discontinuity_begins_a_new_demuxer() -> None:
    """Its times, headers and programmes may be others; our timeline goes on."""
    sink = RecordingSink()
    files: Files = {
        "/hls/0.ts": container("mpegts"),
        "/hls/1.ts": container("mpegts", size=(320, 240)),
        LIST: media_playlist(["0.ts"]),
    }
    async with hls_camera(files) as camera:
        pulled = source(camera.port)
        running = asyncio.create_task(failure(pulled, sink))
        await camera.until_asked(LIST, 2)
        names = ["0.ts", "#EXT-X-DISCONTINUITY", "1.ts"]
        camera.files[LIST] = media_playlist(names, ended=True)
        error = await running

    assert error.reason is Reason.SOURCE_ENDED
    assert len(sink.units) == 60
    assert pulled.counters.sessions == 2
    assert all(b.time_90k > a.time_90k for a, b in pairwise(sink.units))


class StreamClock(FakeClock):
    """Without waiting; whoever asks for the camera's time now and then does not move it."""

    async def sleep(self, delay_s: float) -> None:
        if delay_s >= CLOCK_EVERY_S:
            await asyncio.Event().wait()
        await super().sleep(delay_s)


async def test_a_demuxer_for_every_segment_is_too_many() -> None:
    """Each is a process: the camera is cut off, and nothing else."""
    whole, published = container("mpegts", pictures=2), 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal published
        if request.path != LIST:
            return web.Response(body=whole)
        published += MOST_BEHIND
        names = [f"#EXT-X-DISCONTINUITY\n#EXTINF:1,\n{each}.ts" for each in range(published)]
        return web.Response(text=media_playlist(names))

    async with http_camera(handle) as port:
        error = await failure(source(port, clock=StreamClock()))

    assert error.reason is Reason.ABUSIVE
    assert "discontinuities" in error.detail


async def test_fragmented_mp4_has_its_headers_in_front() -> None:
    """EXT-X-MAP."""
    sink = RecordingSink()
    whole = container("mp4")
    at = whole.index(b"moof") - 4
    files: Files = {
        "/hls/init.mp4": whole[:at],
        "/hls/0.m4s": whole[at:],
        LIST: media_playlist(["0.m4s"], more='#EXT-X-MAP:URI="init.mp4"', ended=True),
    }
    async with hls_camera(files) as camera:
        error = await failure(source(camera.port), sink)

    assert error.reason is Reason.SOURCE_ENDED
    assert len(sink.units) == 30
    assert camera.asked == [LIST, "/hls/init.mp4", "/hls/0.m4s"]


async def test_a_segment_that_has_gone_is_passed_over() -> None:
    """The next one begins anew."""
    sink = RecordingSink()
    files: Files = {"/hls/1.ts": container("mpegts"), LIST: media_playlist(["0.ts"])}
    async with hls_camera(files) as camera:
        running = asyncio.create_task(failure(source(camera.port), sink))
        await camera.until_asked(LIST, 2)
        camera.files[LIST] = media_playlist(["0.ts", "1.ts"], ended=True)
        error = await running

    assert error.reason is Reason.SOURCE_ENDED
    assert len(sink.units) == 30


async def test_segments_that_are_never_there_are_told() -> None:
    """Not for ever passed over."""
    async with hls_camera({LIST: media_playlist(["0.ts"])}) as camera:
        running = asyncio.create_task(failure(source(camera.port)))
        for count in range(1, MOST_MISSING + 1):
            await camera.until_asked(LIST, count + 1)
            names = [f"{each}.ts" for each in range(count + 1)]
            camera.files[LIST] = media_playlist(names)
        error = await running

    assert error.reason is Reason.NOT_FOUND


async def test_an_empty_segment_is_passed_over() -> None:
    """Some servers list a segment before they have written it."""
    sink = RecordingSink()
    files: Files = {
        "/hls/0.ts": b"",
        "/hls/1.ts": container("mpegts"),
        LIST: media_playlist(["0.ts"]),
    }
    async with hls_camera(files) as camera:
        running = asyncio.create_task(failure(source(camera.port), sink))
        await camera.until_asked(LIST, 2)
        camera.files[LIST] = media_playlist(["0.ts", "1.ts"], ended=True)
        error = await running

    assert error.reason is Reason.SOURCE_ENDED
    assert len(sink.units) == 30


@pytest.mark.parametrize("first", [b"", container("mpegts")], ids=["always", "behind a good one"])
async def test_segments_without_bytes_are_told_by_their_cause(first: bytes) -> None:
    """Not for ever passed over; the camera is asked again soon."""
    names = [f"{each}.ts" for each in range(MOST_MISSING + 3)]
    files = {**{f"/hls/{each}": b"" for each in names}, "/hls/0.ts": first}
    async with hls_camera({**files, LIST: media_playlist(names[:1])}) as camera:
        publishing = asyncio.create_task(publish(camera, names))
        error = await failure(source(camera.port))
        publishing.cancel()

    assert error.reason is Reason.CORRUPT
    assert "empty" in error.detail
    assert isinstance(error, TransientError)


async def test_the_first_bytes_may_come_one_by_one() -> None:
    """What they are is told once there are enough of them."""
    whole, sink = container("mp4"), RecordingSink()

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == LIST:
            return web.Response(text=media_playlist(["0.mp4"], ended=True))
        response = web.StreamResponse()
        await response.prepare(request)
        for at in range(8):
            await response.write(whole[at : at + 1])
        await response.write(whole[8:])
        return response

    async with http_camera(handle) as port:
        error = await failure(source(port), sink)

    assert error.reason is Reason.SOURCE_ENDED
    assert len(sink.units) == 30


async def test_the_login_is_sent_with_every_request() -> None:
    """By Digest, each with its own path; the password itself never."""
    seen: list[str] = []
    camera = HlsCamera(
        {LIST: media_playlist(["0.ts"], ended=True), "/hls/0.ts": container("mpegts")}
    )
    sink = RecordingSink()
    async with http_camera(digest(camera.handle, seen)) as port:
        error = await failure(source(port, password=PASSWORD), sink)

    assert error.reason is Reason.SOURCE_ENDED
    assert len(sink.units) == 30
    assert any('uri="/hls/0.ts"' in each for each in seen)
    assert PASSWORD not in "".join(seen)


async def test_the_login_may_stand_in_the_path() -> None:
    """Of the playlist, and so of all that it names relative to itself."""
    folder = f"/user={USER}&password={PASSWORD}"
    files: Files = {
        f"{folder}/i.m3u8": media_playlist(["0.ts"]),
        f"{folder}/0.ts": container("mpegts"),
    }
    sink = RecordingSink()
    async with hls_camera(files) as camera:
        url = "/user={username}&password={password}/i.m3u8"
        error = await failure(source(camera.port, url, password=PASSWORD, allow_basic=True), sink)

    assert error.reason is Reason.STALLED
    assert sink.units
    assert sum(each.endswith("i.m3u8") for each in camera.asked) > 1
    assert PASSWORD not in error.detail


async def test_a_playlist_is_known_by_its_name_too() -> None:
    """Whatever the server calls it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == LIST:
            text = media_playlist(["0.ts"], ended=True)
            return web.Response(text=text, content_type="text/plain")
        return web.Response(body=container("mpegts"))

    sink = RecordingSink()
    async with http_camera(handle) as port:
        error = await failure(source(port, f"{LIST}?x=1"), sink)

    assert error.reason is Reason.SOURCE_ENDED
    assert len(sink.units) == 30


def in_one_file(segments: list[bytes]) -> str:
    """Return a playlist of *segments*, which stand one behind the other in ``all.ts``."""
    names: list[str] = []
    for number, segment in enumerate(segments):
        begin = "" if number else "@0"
        names += [f"#EXT-X-BYTERANGE:{len(segment)}{begin}", "all.ts"]
    return media_playlist(names, ended=True)


async def test_parts_of_one_file_are_asked_for_one_by_one() -> None:
    """Each with the bytes that the playlist names, and no others."""
    segments = cut()
    ranges: list[tuple[int, int]] = []
    whole = b"".join(segments)

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == LIST:
            text = in_one_file(segments[:1]).replace("#EXT-X-ENDLIST\n", "")
            return web.Response(text=in_one_file(segments) if ranges else text)
        found = request.http_range
        begin, end = int(found.start or 0), int(found.stop or 0)
        ranges.append((begin, end))
        fields = {"Content-Range": f"bytes {begin}-{end - 1}/{len(whole)}"}
        return web.Response(status=206, body=whole[begin:end], headers=fields)

    sink = RecordingSink()
    async with http_camera(handle) as port:
        pulled = source(port)
        error = await failure(pulled, sink)

    ends = [sum(map(len, segments[:count])) for count in range(4)]
    assert error.reason is Reason.SOURCE_ENDED
    assert ranges == list(pairwise(ends))
    assert len(sink.units) == 30
    assert pulled.counters.sessions == 1


@pytest.mark.parametrize(
    ("status", "content_range", "body", "reason"),
    [
        (200, "", 9_000, Reason.UNSUPPORTED_TRANSPORT),
        (206, "bytes 1-564/9000", 564, Reason.CORRUPT),
        (206, "bytes 0-562/9000", 563, Reason.CORRUPT),
        (206, "bytes 0-563/9000", 565, Reason.CORRUPT),
        (206, "", 564, Reason.CORRUPT),
        (206, "bytes 0-" + "9" * 4_000, 564, Reason.CORRUPT),
        (416, "bytes */9", 0, Reason.NOT_FOUND),
    ],
)
async def test_another_part_than_asked_for_is_not_played(
    status: int, content_range: str, body: int, reason: Reason
) -> None:
    """A whole file may be hours long; other bytes are no segment."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == LIST:
            start = '#EXT-X-MAP:URI="all.mp4",BYTERANGE="564@0"'
            return web.Response(text=media_playlist(["0.m4s"], more=start))
        fields = {"Content-Range": content_range} if content_range else {}
        return web.Response(status=status, body=bytes(body), headers=fields)

    async with http_camera(handle) as port:
        error = await failure(source(port))

    assert error.reason is reason


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", ""])
async def test_a_playlist_is_known_by_its_first_line(kind: str) -> None:
    """Where neither its type nor its name says so."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/live":
            text = media_playlist(["0.ts"], ended=True)
            return web.Response(body=text.encode(), headers={"Content-Type": kind})
        return web.Response(body=container("mpegts", pictures=5))

    sink = RecordingSink()
    async with http_camera(handle) as port:
        await failure(source(port, "/live"), sink)

    assert len(sink.units) == 5


async def test_a_server_that_compresses_is_asked_not_to() -> None:
    """We read what it sends as it is."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == LIST:
            response = web.Response(text=media_playlist(["0.ts"], ended=True))
        else:
            response = web.Response(body=container("mpegts"))
        response.enable_compression()
        return response

    sink = RecordingSink()
    async with http_camera(handle) as port:
        error = await failure(source(port), sink)

    assert error.reason is Reason.SOURCE_ENDED
    assert len(sink.units) == 30


def leading_to(uri: str) -> Files:
    return {LIST: media_playlist([uri])}


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, Reason.NOT_FOUND),
        ({LIST: "<html>"}, Reason.CORRUPT),
        ({LIST: "#EXTM3U\n" + "#" * MOST_BYTES}, Reason.CORRUPT),
        ({LIST: media_playlist(["0.ts"]), "/hls/0.ts": b"RIFFabcdWAVE"}, Reason.UNSUPPORTED_CODEC),
        (
            {LIST: media_playlist(["0.ts"], more="#EXT-X-KEY:METHOD=AES-128,URI=k")},
            Reason.ENCRYPTED,
        ),
        ({LIST: media_playlist(["#EXT-X-BYTERANGE:5", "0.ts"])}, Reason.CORRUPT),
        (
            {
                LIST: media_playlist(["0.m4s"], more='#EXT-X-MAP:URI="init.mp4"'),
                "/hls/init.mp4": bytes(MOST_INIT_BYTES + 1),
            },
            Reason.CORRUPT,
        ),
        ({LIST: "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nindex.m3u8\n"}, Reason.CORRUPT),
        (leading_to("http://169.254.169.254/latest/meta-data/"), Reason.REDIRECT_REFUSED),
        (leading_to("http://127.0.0.1/x.ts"), Reason.REDIRECT_REFUSED),
        (leading_to("https://127.0.0.1/x.ts"), Reason.REDIRECT_REFUSED),
        (leading_to("file:///etc/passwd"), Reason.REDIRECT_REFUSED),
        (leading_to("//10.0.0.9/x.ts"), Reason.REDIRECT_REFUSED),
        (leading_to("http://u:p@127.0.0.1/x.ts"), Reason.REDIRECT_REFUSED),
        (leading_to("x" * 2_000), Reason.POLICY_DENIED),
        ({LIST: media_playlist([])}, Reason.STALLED),
        ({LIST: media_playlist([], ended=True)}, Reason.SOURCE_ENDED),
    ],
)
async def test_each_failure_has_its_reason(files: Files, reason: Reason) -> None:
    """What cannot be played, and what must not be opened."""
    error = await failure_of(files)

    assert error.reason is reason
    assert "meta-data" not in error.detail


async def test_a_redirect_of_a_segment_is_not_followed() -> None:
    """Wherever it leads."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path == LIST:
            return web.Response(text=media_playlist(["0.ts"]))
        raise web.HTTPFound("/other.ts")

    async with http_camera(handle) as port:
        error = await failure(source(port))

    assert error.reason is Reason.REDIRECT_REFUSED
    assert asked == [LIST, "/hls/0.ts"]


async def test_a_playlist_that_trickles_is_given_up() -> None:
    """Each piece comes in time, the whole never does."""
    asked = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        answer = web.StreamResponse(headers={"Content-Type": "application/x-mpegurl"})
        await answer.prepare(request)
        with suppress(ConnectionError):
            while True:
                await answer.write(b"#")
                await asyncio.sleep(0.05)
        return answer

    async with http_camera(handle) as port:
        error = await failure(source(port))

    assert error.reason is Reason.TIMEOUT
    assert asked == 1


async def test_a_camera_that_publishes_no_more_is_told() -> None:
    """The playlist is answered all the same; it is asked for no oftener than the RFC says."""
    sink = RecordingSink()
    files: Files = {LIST: media_playlist(["0.ts"]), "/hls/0.ts": container("mpegts")}
    async with hls_camera(files) as camera:
        error = await failure(source(camera.port), sink)

    assert error.reason is Reason.STALLED
    assert camera.asked.count(LIST) <= 8
    assert len(sink.units) == 29  # the last is whole when the next begins


async def probed(port: int) -> list[Step]:
    """Return what a probe of the camera at *port* finds."""
    steps = probe(
        f"http://127.0.0.1:{port}{LIST}",
        username=None,
        password=None,
        allow_basic=False,
        policy=url_policy(NETWORKS, (port,), opened=("http",)),
        watch_s=5.0,
    )
    return [step async for step in steps]


async def test_a_probe_tells_what_comes_and_how_late() -> None:
    """Segments are late by their length, whoever fetches them."""
    files: Files = {LIST: media_playlist(["0.ts"], ended=True), "/hls/0.ts": container("mpegts")}
    async with hls_camera(files) as camera:
        steps = await probed(camera.port)

    facts = {step.name: step.fact for step in steps}
    assert "segments of 1 s: pictures come at least that late" in facts["setup"]
    assert "H.264" in facts["codec"]
    assert float(facts["bitrate"].split()[2]) <= 30  # by the time that is shown, not of the burst


async def test_a_probe_tells_what_is_wrong() -> None:
    """At the step where it is."""
    async with hls_camera({LIST: "#EXTM3U\n#EXTINF:nan,\na\n"}) as camera:
        steps = await probed(camera.port)

    assert (steps[-1].name, steps[-1].reason) == ("setup", Reason.CORRUPT)
