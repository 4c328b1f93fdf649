"""A release rolled out to two machines: the canary first, then the other; a bad one stops there.

Prints one JSON line for each step. Both are fresh Debian 12 with the package and two cameras, each
enrolled as a site of its own at one centre (`tests.walk.updates` has the centre, the mirror and the
releases). The good release must be applied by the first before the other is sent anything, then by
both. The one that cannot be imported is given to the other one first: it must be undone there, stop
the rollout with 1, and leave the second as it was: no command, no download, no restart.
Exit code 0: all of it holds; 1: not.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.machines import trial_releases
from tests.walk.__main__ import device
from tests.walk.box import Box, booted, fresh_root
from tests.walk.centre import PROVINCE, SITE, running_centre
from tests.walk.documented import INSTALL, centre_of, quick_commands
from tests.walk.network import BOX, LAN, RECORDER, make_lan
from tests.walk.steps import Broken, run_walk, tell
from tests.walk.updates import BAD, GOOD, UNIT, CentreStaff, Mirror, current, set_up, until_live

OTHER, OTHER_NAME, OTHER_BOX = "bacninh-ttpvhcc-02", "TTPVHCC số 2", f"{LAN}.21"


@dataclass(frozen=True)
class Machine:
    """One of the two.

    Attributes:
        site: Its id.
        address: In the LAN.
    """

    site: str
    address: str
    box: Box

    async def run_id(self) -> str:
        """Return what systemd calls this run of the gateway; another start has another."""
        return await self.box.ask("systemctl", "show", "-P", "InvocationID", UNIT)

    async def journal(self) -> str:
        """Return the end of what its gateway and its updater have logged."""
        return await self.box.ask("journalctl", "--no-pager", "-n", "40", "-u", "camera-gateway*")


def told(said: Sequence[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """Return site, ring and state of each change that the rollout has told, in order."""
    changes = [(str(each["site"]), int(each["ring"]), str(each["st"])) for each in said[:-1]]
    return list(dict.fromkeys(changes))


async def check_good(code: int, said: list[dict[str, Any]], machines: Sequence[Machine]) -> None:
    """Raise Broken unless the first had it before the other was sent anything, and both run it."""
    first, last = (f"{PROVINCE}/{each.site}" for each in machines)
    wanted = [(site, state) for site in (first, last) for state in ("sent", "applied")]
    changes = told(said)
    rings = {site: ring for site, ring, _ in changes}
    run = [await current(each.box) for each in machines]
    if code or [(site, state) for site, _, state in changes] != wanted or run != [GOOD, GOOD]:
        logs = [await each.journal() for each in machines]
        raise Broken(f"exit code {code}, {run} run: {said}: {logs}")
    if not rings[first] < rings[last]:
        raise Broken(f"both were in one ring: {said}")


async def check_bad(
    code: int, said: list[dict[str, Any]], machines: Sequence[Machine], before: str, served: Mirror
) -> None:
    """Raise Broken unless the first has undone it and the other, run *before*, knows nothing."""
    first, last = machines
    canary = f"{PROVINCE}/{first.site}"
    changes = [(site, state) for site, _, state in told(said)]
    if code != 1 or changes != [(canary, "sent"), (canary, "failed")]:
        raise Broken(f"it did not stop: exit code {code}: {said}")
    if "rolled_back" not in str(said[:-1]) or await current(first.box) != GOOD:
        raise Broken(f"it was not undone: {said}: {await first.journal()}")
    asked = {address for address, name in served.fetched if BAD in name}
    releases = await last.box.ask("ls", "/opt/camera-gateway/releases")
    state = (await last.run_id(), await current(last.box), BAD in releases, asked)
    if state != (before, GOOD, False, {first.address}):
        raise Broken(f"the other was touched: {state}: {await last.journal()}")


async def walk_through(deb: Path) -> None:
    """Go the whole way."""
    address, port = centre_of(quick_commands(INSTALL.read_text()))
    root = await asyncio.to_thread(fresh_root)
    make_lan(address)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollout-walk-")))
        await stack.enter_async_context(device("recorder", RECORDER))
        centre = await stack.enter_async_context(running_centre(folder, address, port))
        staff = CentreStaff(folder, address)
        await staff.make_keys()
        machines = []
        for site, name, at, given in (
            (SITE, "ttpvhcc", BOX, centre.code),
            (OTHER, "ttpvhcc-2", OTHER_BOX, await centre.enrol(OTHER, OTHER_NAME)),
        ):
            log = folder / f"{name}.log"
            box = await stack.enter_async_context(booted(root, deb, log, name=name, address=at))
            await set_up(box, given)
            machines.append(Machine(site, at, box))
        served = await stack.enter_async_context(staff.mirror())

        bundle = await staff.publish(GOOD, trial_releases.good)
        code, said = await staff.roll_out(GOOD, bundle, [each.site for each in machines])
        tell("rolled out", version=GOOD, exit_code=code, changes=told(said), said=said[-1])
        await check_good(code, said, machines)
        for each in machines:
            tell("live", site=each.site, said=await until_live(each.box))

        machines.reverse()
        before = await machines[-1].run_id()
        bundle = await staff.publish(BAD, trial_releases.import_error)
        code, said = await staff.roll_out(BAD, bundle, [each.site for each in machines])
        tell("stopped", version=BAD, exit_code=code, changes=told(said), said=said[-2:])
        await check_bad(code, said, machines, before, served)
        for each in machines:
            tell("live", site=each.site, said=await until_live(each.box))
        tell("untouched", site=machines[-1].site, version=await current(machines[-1].box))


if __name__ == "__main__":
    sys.exit(run_walk("--rollout", __doc__, walk_through))
