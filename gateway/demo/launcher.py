"""A national centre in miniature: cameras, broker, gateway and operators' page as one command.

Starts each as a process, waits until it says that it is ready, and ends them all, in reverse,
when it is told to, when one of them dies, or when it dies itself.
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

MOSQUITTO = "/usr/sbin/mosquitto"


@dataclass(frozen=True, slots=True)
class Centre:
    """What runs.

    Attributes:
        page: Address of the operators' page.
        control: Where the cameras are broken and mended.
        cameras: By id.
    """

    page: str
    control: str
    cameras: tuple[CameraFiles, ...]


async def launch(
    use: Callable[[Centre], Awaitable[int]], *, address: str = "127.0.0.1", port: int = 8090
) -> int:
    """Run a centre while *use* runs, and return what that returns; 1 if a part of it dies.

    SIGINT and SIGTERM end it with 0. Nothing is left running, and no file, when this returns.

    Args:
        use: Given the centre once it is ready.
        address: Where the page listens.
        port: Its port; if that is taken, a free one.
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
            *("--password-file", str(files.password_file)),
        )
        broker = await begin("broker", MOSQUITTO, "-c", str(files.write_broker()))
        open_cameras = await cameras.wait_ready()
        await broker.wait_for_line(" running")
        listed = open_cameras["cameras"]
        assert isinstance(listed, list)
        shown = tuple(CameraFiles(**each) for each in listed)
        settings = files.write_gateway(shown)
        gateway = await begin("gateway", *python, "gateway", "run", "--settings", str(settings))
        console_settings = files.write_console(address, port_or_free(address, port))
        page = await begin(
            "console", *python, "gateway.console", "--settings", str(console_settings)
        )
        greeting = await page.wait_ready()
        await gateway.wait_for(_online(files.broker_port))
        return await use(Centre(str(greeting["url"]), str(open_cameras["control"]), shown))
    raise AssertionError("not reached")


async def _online(broker_port: int) -> None:
    """Return once the gateway says over MQTT that it is there."""
    seen = asyncio.Event()
    link = MqttClient(
        BrokerAddress(host="127.0.0.1", port=broker_port),
        client_id="demo-launcher",
        subscriptions=[Topics(PROVINCE, GATEWAY).presence],
        deliver=lambda _: seen.set(),
        clock=SystemClock(),
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run(), name="presence")
        await seen.wait()
        running.cancel()


def _print_failures(failed: BaseExceptionGroup[ChildFailed]) -> None:
    """Tell which parts have failed, and their last words."""
    errors = {each.child.name: each for each in failed.exceptions if isinstance(each, ChildFailed)}
    for error in errors.values():
        sys.stderr.write(f"\n{error}; its last words:\n")
        sys.stderr.writelines(f"    {line}\n" for line in list(error.child.lines)[-20:])
