"""Janus with its streaming plugin (Debian's package ``janus``), mountpoints of type rtsp."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Sequence
from typing import Any

from gateway.demo.config_files import free_port
from tests.bench.relays import Running
from tests.bench.testbed import NotStarted, Testbed, await_port

PLUGINS = (
    *("audiobridge", "duktape", "echotest", "lua", "nosip", "recordplay", "sip", "textroom"),
    *("videocall", "videoroom", "voicemail"),
)
TRANSPORTS = ("websockets", "pfunix", "mqtt", "nanomsg", "rabbitmq")
"""What is not needed, so that it does not count."""


class Janus:
    """A C program of Meetecho."""

    name = "janus"
    joins = True

    def absent(self) -> str | None:
        """Look for the program."""
        return None if shutil.which("janus") else "apt-get install janus"

    def start(self, testbed: Testbed, cameras: Sequence[str], viewers: int) -> Running:  # noqa: ARG002
        """Start it with one plugin, and make a mountpoint for each camera."""
        port = free_port()
        folder = testbed.folder / "janus"
        folder.mkdir()
        plugins = ",".join(f"libjanus_{name}.so" for name in PLUGINS)
        transports = ",".join(f"libjanus_{name}.so" for name in TRANSPORTS)
        (folder / "janus.jcfg").write_text(
            "general: { debug_level = 2 }\n"
            f'plugins: {{ disable = "{plugins}" }}\n'
            f'transports: {{ disable = "{transports}" }}\n'
        )
        (folder / "janus.transport.http.jcfg").write_text(
            f'general: {{ json = "compact", base_path = "/janus", http = true, port = {port}, '
            'ip = "127.0.0.1" }\nadmin: { admin_http = false }\n'
        )
        (folder / "janus.plugin.streaming.jcfg").write_text("general: { }\n")
        process = testbed.start(["janus", "-F", str(folder)], quiet=True)
        await_port(port)
        url = f"http://127.0.0.1:{port}/janus"
        self._mount(url, cameras)
        return Running(process.pid, f"janus:{url}")

    def _mount(self, url: str, cameras: Sequence[str]) -> None:
        session = f"{url}/{_ask(url, janus='create')['data']['id']}"
        attached = _ask(session, janus="attach", plugin="janus.plugin.streaming")
        handle = f"{session}/{attached['data']['id']}"
        for number, camera in enumerate(cameras):
            body = {
                "request": "create",
                "type": "rtsp",
                "id": number + 1,
                "name": f"c{number}",
                "audio": False,
                "video": True,
                "url": camera,
            }
            made = _ask(handle, janus="message", body=body)
            if "stream" not in made.get("plugindata", {}).get("data", {}):
                raise NotStarted(f"Janus makes no mountpoint: {made}")
        _ask(session, janus="destroy")
        time.sleep(0.5)


def _ask(url: str, **body: Any) -> dict[str, Any]:
    asked = json.dumps({"transaction": "bench", **body}).encode()
    with urllib.request.urlopen(url, asked, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer
