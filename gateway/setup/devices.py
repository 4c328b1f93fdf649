"""Devices for a set-up: as discovery has found them, or as their maker's template has them."""

from __future__ import annotations

from gateway.discovery import found as discovered
from gateway.discovery.templates import TEMPLATES, Template, template_of
from gateway.model.names import Profile
from gateway.model.url_login import PASSWORD
from gateway.setup.model import (
    MOST_CHANNELS,
    FoundChannel,
    FoundDevice,
    Signal,
    mistake,
)

AUTO = "auto"
"""In place of a maker: the device is asked what it has."""

MAKERS: tuple[Template, ...] = tuple(each for each in TEMPLATES if PASSWORD not in each.main)
"""Families that can be chosen; those that want the password in the path are added by command."""

_SIGNALS: dict[discovered.Signal, Signal] = {
    "live": "live",
    "no_signal": "none",
    "unknown": "unknown",
}


def by_template(family: str, host: str, port: int, channels: int) -> FoundDevice:
    """Return the device at *host* as the template of *family* has it.

    Raises:
        SetupMistake: There is no such family, or not so many channels.
    """
    template = template_of(family)
    if template is None or template not in MAKERS:
        raise mistake("Chưa chọn hãng", "Choose a maker")
    if not 1 <= channels <= MOST_CHANNELS:
        raise mistake(
            f"Số kênh là từ 1 đến {MOST_CHANNELS}", f"Channels: from 1 to {MOST_CHANNELS}"
        )
    numbers = range(1, channels + 1) if template.channels else range(1, 2)
    return FoundDevice(
        host,
        template.maker,
        "",
        tuple(
            FoundChannel(number, "", "unknown", tuple(template.urls(host, number, port).items()))
            for number in numbers
        ),
    )


def of_discovery(told: discovered.FoundDevice) -> FoundDevice:
    """Return what a device has *told*, with the streams that a camera may have."""
    return FoundDevice(
        told.address,
        told.maker or "",
        told.model or "",
        tuple(
            FoundChannel(
                channel.number, channel.name or "", _SIGNALS[channel.signal], _streams(channel)
            )
            for channel in told.channels
        ),
    )


def _streams(channel: discovered.FoundChannel) -> tuple[tuple[Profile, str], ...]:
    wanted: tuple[Profile, ...] = ("main", "sub")
    urls = {each.profile: each.url for each in channel.streams}
    return tuple((profile, urls[profile]) for profile in wanted if profile in urls)
