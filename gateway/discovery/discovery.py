"""Finds devices in the camera networks and asks each what it has.

Who is there is found in this order: WS-Discovery (multicast and unicast), then the ports of the
addresses that have not answered. Then each is asked, at most four at a time, with at most one login
(`gateway.discovery.inquiry`). Nothing outside the camera networks is ever sent to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address

from gateway.discovery.addresses import Network, Plan, neighbours, own_interfaces, permits, plan
from gateway.discovery.causes import Cause, CauseCode
from gateway.discovery.found import FoundDevice, Progress
from gateway.discovery.inquiry import Asking, Hint, Inquiry
from gateway.discovery.limits import DiscoveryLimits
from gateway.discovery.makers import Registry
from gateway.discovery.open_ports import open_ports, tried_ports
from gateway.discovery.refused_logins import RefusedLogins
from gateway.discovery.ws_discovery import PORT, Matches, find_devices
from gateway.ports import Clock
from gateway.rtsp.auth import Login
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import SystemClock
from gateway.sources.registry import url_policy

Accounts = Callable[[str], Login | None]
"""Returns who logs in at an address; None: nobody."""

Item = Progress | FoundDevice
Put = Callable[[Item], Awaitable[None]]

LOOKS_BETWEEN_PROGRESS = 32


def nobody(_: str) -> Login | None:
    """Return that nobody logs in: devices tell what they tell to everybody."""
    return None


class Discovery:
    """Finds and asks devices.

    Args:
        networks: The camera networks of the settings.
        extra_ports: Ports of cameras beside the usual ones, of the settings.
        limiter: Counts failed logins; of a daemon the one that its cameras have.
        device_of: Returns by which name the failed logins of an address are counted.
        known: Returns the addresses of the site document, which are asked in any case.
        refused: Counts refused logins by device; None: in this process only.
        limits: In time and number.
        clock: Monotonic.
        ws_port: Where devices listen for WS-Discovery.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        *,
        extra_ports: Sequence[int] = (),
        limiter: LoginLimiter | None = None,
        device_of: Callable[[str], str] = lambda address: address,
        known: Callable[[], Iterable[str]] = tuple,
        refused: RefusedLogins | None = None,
        limits: DiscoveryLimits | None = None,
        clock: Clock | None = None,
        ws_port: int = PORT,
    ) -> None:
        self._networks = tuple(networks)
        self._clock = clock or SystemClock()
        self._limits = limits or DiscoveryLimits()
        self._device_of = device_of
        self._known = known
        self._ws_port = ws_port
        self._asking = Asking(
            policy=url_policy(self._networks, extra_ports, opened=("http", "https")),
            limiter=limiter or LoginLimiter(self._clock),
            refused=refused or RefusedLogins(),
            with_cameras=lambda address: address in set(known()),
            ports=tried_ports(extra_ports),
            extra=tuple(extra_ports),
            limits=self._limits,
            registry=Registry(),
            clock=self._clock,
        )

    async def examine(self, address: str, login: Login | None = None) -> FoundDevice:
        """Return what the device at *address* has; it is asked now, with at most one login.

        Never raises for what the device does: why it told no more is its `reason`.
        """
        if not permits(self._networks, address):
            return FoundDevice(address, reason=Cause(CauseCode.OUTSIDE, address))
        text = str(ip_address(address))
        mac = neighbours().get(text)
        return await self._inquire(text, login, Hint(mac=mac))

    async def discover(
        self, networks: Sequence[Network] | None = None, accounts: Accounts = nobody
    ) -> AsyncGenerator[Item, None]:
        """Yield progress, and each device as it is known.

        Args:
            networks: Where; None: in all camera networks. What lies outside them is left out.
            accounts: Who logs in where.
        """
        items: asyncio.Queue[Item | None] = asyncio.Queue(maxsize=64)
        async with asyncio.TaskGroup() as group:

            async def run() -> None:
                await self._run(networks, accounts, items.put)
                await items.put(None)

            task = group.create_task(run(), name="discovery")
            try:
                while (item := await items.get()) is not None:
                    yield item
            except GeneratorExit:  # whoever listens has gone
                task.cancel()
                return

    async def _run(self, networks: Sequence[Network] | None, accounts: Accounts, put: Put) -> None:
        chosen = self._networks if networks is None else tuple(networks)

        def permitted(address: str) -> bool:
            return permits(self._networks, address) and permits(chosen, address)

        interfaces = own_interfaces(chosen)
        known = [*self._known(), *neighbours()]
        planned = plan(chosen, known, (each.network for each in interfaces))
        addresses = [each for each in planned.addresses if permitted(each)]
        for notice in _notices(planned):
            await put(notice)
        await put(_looking(0, len(addresses)))
        matches = await find_devices(
            addresses,
            [str(each.ip) for each in interfaces],
            permitted,
            self._clock,
            port=self._ws_port,
            wait_s=self._limits.wait_s,
        )
        hints = {each: Hint(match=match) for each, match in matches.devices.items()}
        silent = [each for each in addresses if each not in hints]
        hints |= await self._listening(silent, put)
        if matches.dropped:
            await put(_dropped(matches))
        await self._ask_all(hints, accounts, put)

    async def _listening(self, addresses: Sequence[str], put: Put) -> dict[str, Hint]:
        """Return those of *addresses* that have an open port."""
        found: dict[str, tuple[int, ...]] = {}
        places = asyncio.Semaphore(self._limits.probes_at_once)
        done = 0

        async def look(address: str) -> None:
            nonlocal done
            async with places:
                ports = await open_ports(address, self._asking.ports, self._limits.connect_s)
            if ports:
                found[address] = ports
            done += 1
            if done % LOOKS_BETWEEN_PROGRESS == 0:
                await put(_looking(done, len(addresses)))

        for at in range(0, len(addresses), LOOKS_BETWEEN_PROGRESS * 8):
            async with asyncio.TaskGroup() as group:
                for address in addresses[at : at + LOOKS_BETWEEN_PROGRESS * 8]:
                    group.create_task(look(address), name=f"look {address}")
        return {each: Hint(ports=found[each]) for each in addresses if each in found}

    async def _ask_all(self, hints: dict[str, Hint], accounts: Accounts, put: Put) -> None:
        """Ask each device of *hints*, and *put* what it has told."""
        macs = neighbours()
        chosen = list(hints)[: self._limits.devices]
        places = asyncio.Semaphore(self._limits.devices_at_once)
        done = 0

        async def ask(address: str) -> None:
            nonlocal done
            hint = replace(hints[address], mac=macs.get(address))
            async with places:
                device = await self._inquire(address, accounts(address), hint)
                await put(device)
            done += 1
            await put(_asking(done, len(chosen)))

        await put(_asking(0, len(chosen)))
        async with asyncio.TaskGroup() as group:
            for address in chosen:
                group.create_task(ask(address), name=f"ask {address}")
        if len(hints) > len(chosen):
            await put(_too_many(len(hints), len(chosen)))
        text = f"{len(chosen)} thiết bị"
        await put(Progress("done", done, len(chosen), f"Đã dò xong: {text}", f"Done: {done}"))

    async def _inquire(self, address: str, login: Login | None, hint: Hint) -> FoundDevice:
        return await Inquiry(address, login, self._device_of(address), hint, self._asking).run()


def _looking(done: int, total: int) -> Progress:
    vi, en = f"Đang dò {done}/{total} địa chỉ", f"Looking at {done} of {total} addresses"
    return Progress("looking", done, total, vi, en)


def _asking(done: int, total: int) -> Progress:
    vi, en = f"Đang hỏi {done}/{total} thiết bị", f"Asking {done} of {total} devices"
    return Progress("asking", done, total, vi, en)


def _notices(planned: Plan) -> Iterator[Progress]:
    for network in planned.too_large:
        size = f"{network.num_addresses:,}"
        yield Progress(
            "notice",
            0,
            0,
            f"Mạng {network} quá rộng ({size.replace(',', '.')} địa chỉ) để dò từng địa chỉ: chỉ "
            "hỏi thiết bị trả lời WS-Discovery và thiết bị đã biết. Hãy nêu mạng nhỏ hơn: "
            "--network 192.168.1.0/24",
            f"{network} is too large ({size} addresses) to be gone through: only devices that "
            "answer WS-Discovery or are known are asked. Name a smaller one: --network "
            "192.168.1.0/24",
        )


def _dropped(matches: Matches) -> Progress:
    count = matches.dropped
    return Progress(
        "notice",
        0,
        0,
        f"Đã bỏ {count} trả lời WS-Discovery: từ ngoài dải mạng camera, quá dài hoặc quá nhiều",
        f"{count} answers to WS-Discovery were dropped: from outside, too long, or too many",
    )


def _too_many(found: int, asked: int) -> Progress:
    return Progress(
        "notice",
        asked,
        found,
        f"Có {found} thiết bị trả lời, chỉ hỏi {asked}. Hãy nêu mạng nhỏ hơn: --network",
        f"{found} devices answer, {asked} were asked. Name a smaller network: --network",
    )
