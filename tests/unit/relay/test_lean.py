"""One test for each assumption about how aiortc is loaded without its media."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import aiortc.rtp
import pytest
from aiortc.sdp import candidate_from_sdp

from gateway.relay import lean
from gateway.relay.ice import candidate_line, usable_candidates

LEAN = "from gateway.relay import lean"
WHOLE = """
import aiortc, aiortc.rtp, av
from aiortc import RTCIceGatherer, RTCPeerConnection
from aiortc.contrib.media import MediaRelay
assert RTCIceGatherer is lean.RTCIceGatherer
assert aiortc.rtp.AudioFrame is av.AudioFrame
assert all(hasattr(aiortc, name) for name in aiortc.__all__)
assert aiortc.__version__ == "1.16.0"
silence = av.AudioFrame(format="s16", layout="mono", samples=160)
silence.planes[0].update(bytes(silence.planes[0].buffer_size))
assert aiortc.rtp.compute_audio_level_dbov(silence) == -127
"""


def run(program: str) -> str:
    """Return what *program* prints in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_gateway_loads_no_media_and_leaves_nothing_in_its_place() -> None:
    """Neither PyAV, which aiortc wants, nor what else works on pictures."""
    loaded = set(run("import sys, gateway.cli; print(*sys.modules)").split())

    assert not loaded & {"av", "cv2", "numpy", "aiohttp", "dns"}
    assert {name for name in loaded if name.startswith("aiortc.")} == {
        f"aiortc.{name}"
        for name in (
            "clock",
            "exceptions",
            "rtcconfiguration",
            "rtcdtlstransport",
            "rtcicetransport",
            "rtcrtpparameters",
            "rtcsctptransport",
            "rtp",
            "stats",
        )
    }


@pytest.mark.parametrize(
    "before", ["", "import av", "import aiortc", "import av, aiortc", "import aiortc.mediastreams"]
)
def test_the_whole_of_aiortc_is_there_for_whoever_wants_it(before: str) -> None:
    """Whatever was imported first: one aiortc, its classes ours, its media real."""
    run(f"{before}\n{LEAN}\n{WHOLE}")


@pytest.mark.parametrize(
    "module",
    [
        "contrib.media",
        "mediastreams",
        "rtcdatachannel",
        "rtcpeerconnection",
        "rtcsctptransport",
        "sdp",
    ],
)
def test_any_module_of_aiortc_may_be_imported_next(module: str) -> None:
    """Also those that import each other in a circle."""
    run(f"{LEAN}\nimport aiortc.{module}\n{WHOLE}")


def test_a_viewers_candidate_does_not_load_multicast_dns() -> None:
    """For aioice asks of each whether it is a ``.local`` name: 5 MB at the first viewer."""
    program = """
import asyncio, sys, aioice
async def take():
    taking = aioice.Connection(ice_controlling=False)
    line = "6815297761 1 udp 659136 127.0.0.1 31102 typ host generation 0"
    await taking.add_remote_candidate(aioice.Candidate.from_sdp(line))
    print(len(taking.remote_candidates), "dns" in sys.modules)
    await taking.close()
asyncio.run(take())
"""

    assert run(f"{LEAN}\n{program}") == "1 False\n"


def test_what_is_a_local_name_is_for_aioice_to_say() -> None:
    """The stand-in says the same, before and after the real one is loaded."""
    program = """
from aioice import mdns
names = ["a-1.local", "a.local.", "a.b.local", "192.0.2.7", ".local", "a" * 64 + ".local", ""]
before = [mdns.is_mdns_hostname(name) for name in names]
assert mdns.is_mdns_hostname(mdns.create_mdns_hostname())
assert mdns.MDnsProtocol.__module__ == "aioice.mdns"
print(before == [mdns.is_mdns_hostname(name) for name in names], any(before))
"""

    assert run(f"{LEAN}\n{program}") == "True True\n"


def test_looking_at_the_package_does_not_open_it() -> None:
    """Nor does importing one of its modules that needs no media."""
    program = """
import inspect, sys, aiortc
from aiortc import sdp, stats
assert not hasattr(aiortc, "__wrapped__")
assert aiortc.__file__.endswith("__init__.py")
assert inspect.getmodule(stats.RTCStatsReport) is stats
assert aiortc.sdp is sdp
print("av" in sys.modules)
"""

    assert run(f"{LEAN}\n{program}") == "False\n"


def test_an_unknown_name_is_still_an_import_error() -> None:
    """The package is opened, and does not have it."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run(f"{LEAN}\nfrom aiortc import Nonsense")

    assert "ImportError: cannot import name 'Nonsense' from 'aiortc'" in failed.value.stderr


def test_what_we_load_wants_one_name_of_pyav_and_that_for_an_annotation() -> None:
    """So a stand-in is enough."""
    tree = ast.parse(inspect.getsource(aiortc.rtp))
    wanted = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "av"]
    uses = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "AudioFrame"]
    annotations = [n.annotation for n in ast.walk(tree) if isinstance(n, ast.arg)]

    assert [[each.name for each in n.names] for n in wanted] == [["AudioFrame"]]
    assert uses
    assert all(use in annotations for use in uses)


def test_the_stand_in_cannot_be_used() -> None:
    """It says what is missing."""
    with pytest.raises(NotImplementedError, match="PyAV is not loaded"):
        lean._NoMedia.AudioFrame()


@pytest.mark.parametrize(
    "line",
    [
        "0123abc 1 udp 2130706431 192.0.2.7 50000 typ host",
        "f 1 udp 1694498815 2001:db8::1 50001 typ srflx raddr 192.168.1.2 rport 50000",
        "f 1 udp 16777215 192.0.2.9 3478 typ relay raddr 192.0.2.7 rport 9",
    ],
)
def test_candidates_are_written_as_aiortc_reads_them(line: str) -> None:
    """And read as it reads them, the related address aside, which we have no use for."""
    candidate = candidate_from_sdp(line)
    plain = candidate_from_sdp(line.split(" raddr")[0])

    assert candidate_line(candidate) == line
    assert usable_candidates([f"candidate:{line}"], forbidden=()) == (plain,)
