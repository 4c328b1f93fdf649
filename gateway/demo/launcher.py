"""Launches a demo centre: cameras, broker, gateway and operators' page as one command.

Each part is a process. The launcher waits until it is ready, and ends all of them in reverse order
on a signal, when one of them ends, or with its own end.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.child_process import Child, ChildFailed, run_child
from gateway.demo.config_files import (
    CAMERAS_HOST,
    GATEWAY,
    PROVINCE,
    USERNAME,
    CameraFiles,
    ConfigFiles,
    port_or_free,
)
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.client import MqttClient
from gateway.mqtt.topics import Topics
from gateway.runtime.clock import SystemClock
from gateway.runtime.plain_text import printable

MOSQUITTO = "/usr/sbin/mosquitto"


@dataclass(frozen=True, slots=True)
class Centre:
    """A running demo centre.

    Attributes:
        page: URL of the operators' page.
        control: URL of the cameras' control endpoint.
        cameras: In order.
        settings: Of the gateway.
        runtime: Its runtime folder.
        broker_port: Of the broker, on this machine.
    """

    page: str
    control: str
    cameras: tuple[CameraFiles, ...]
    settings: Path
    runtime: Path
    broker_port: int


async def launch(
    use: Callable[[Centre], Awaitable[int]], *, address: str = "127.0.0.1", port: int = 8090
) -> int:
    """Run a centre while *use* runs; return its result, or 1 if a part of the centre ends.

    SIGINT and SIGTERM end it with 0. No process and no file is left when this returns.

    Args:
        use: Called with the centre once it is ready.
        address: Where the page listens.
        port: Of the page; if it is taken, a free one.
    """
    task, stopped = asyncio.current_task(), asyncio.Event()
    assert task is not None

    def stop() -> None:
        if not stopped.is_set():
            stopped.set()
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        with tempfile.TemporaryDirectory(prefix="camera-gateway-demo-") as folder:
            return await _run(use, ConfigFiles(Path(folder)), address, port)
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
        return 0
    except BaseExceptionGroup as group:
        failed, others = group.split(ChildFailed)
        if failed is None or others is not None:
            raise
        _print_failures(failed)
        return 1


async def _run(
    use: Callable[[Centre], Awaitable[int]], files: ConfigFiles, address: str, port: int
) -> int:
    async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:

        async def begin(name: str, *command: str) -> Child:
            started = await stack.enter_async_context(run_child(name, command))
            group.create_task(started.watch(), name=f"watch {name}")
            return started

        python = (sys.executable, "-m")
        cameras = await begin(
            "cameras",
            *(*python, "gateway.demo.cameras", "--host", CAMERAS_HOST, "--username", USERNAME),
            *("--password-file", str(files.password_file), "--varied"),
        )
        broker = await begin("broker", MOSQUITTO, "-c", str(files.write_broker()))
        open_cameras = await cameras.wait_ready()
        await broker.wait_for_line(" running")
        listed = open_cameras["cameras"]
        assert isinstance(listed, list)
        shown = tuple(CameraFiles(**each) for each in listed)
        settings = files.write_gateway(shown)
        runtime = files.folder / "run"
        environment = ("/usr/bin/env", f"RUNTIME_DIRECTORY={runtime}")
        gateway = await begin(
            "gateway", *environment, *python, "gateway", "run", "--settings", str(settings)
        )
        console_settings = files.write_console(address, port_or_free(address, port))
        page = await begin(
            "console", *python, "gateway.console", "--settings", str(console_settings)
        )
        greeting = await page.wait_ready()
        await gateway.wait_for(_online(files.broker_port))
        page_url, control = str(greeting["url"]), str(open_cameras["control"])
        return await use(Centre(page_url, control, shown, settings, runtime, files.broker_port))
    raise AssertionError("not reached")


async def _online(broker_port: int) -> None:
    """Wait for the gateway's presence on the broker."""
    seen = asyncio.Event()
    client = MqttClient(
        BrokerAddress(host="127.0.0.1", port=broker_port),
        client_id="demo-launcher",
        subscriptions=[Topics(PROVINCE, GATEWAY).presence],
        on_message=lambda _: seen.set(),
        clock=SystemClock(),
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(client.run(), name="presence")
        await seen.wait()
        running.cancel()


def _print_failures(failed: BaseExceptionGroup[ChildFailed]) -> None:
    """Print which parts have failed, with their last lines of output."""
    errors = {each.child.name: each for each in failed.exceptions if isinstance(each, ChildFailed)}
    for error in errors.values():
        sys.stderr.write(f"\n{error}; its last lines:\n")
        sys.stderr.writelines(f"    {printable(line)}\n" for line in list(error.child.lines)[-20:])
