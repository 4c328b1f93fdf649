"""Puts a configuration into effect: cameras, their viewers, and the connection to the broker."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.app.broker import BrokerComponents, broker_address, broker_addresses
from gateway.app.cameras import CameraComponents
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.preflight import preflight_connect
from gateway.ports import Clock
from gateway.remote_config.document import DesiredConfig
from gateway.remote_config.health_gate import wait_until_healthy, working_cameras
from gateway.remote_config.rollout import RolloutActions

PREFLIGHT_SUFFIX = "~t"
"""Behind the gateway's id, of the connection that tries a broker: no gateway may be called so."""


@dataclass(frozen=True, slots=True)
class ConfigApplier:
    """Applies configurations to the parts that they are about."""

    settings: Settings
    secrets: Secrets
    camera_parts: CameraComponents
    broker_parts: BrokerComponents
    clock: Clock

    @property
    def rollout_actions(self) -> RolloutActions:
        """What `gateway.remote_config` does it with."""
        return RolloutActions(
            apply=self.apply,
            preflight=self.preflight,
            working_cameras=lambda: working_cameras(self.camera_parts.manager.snapshots()),
            wait_until_healthy=self.wait_until_healthy,
            is_connected=self.connected,
            connect_s=self.settings.remote.connect_s,
        )

    def apply(self, wanted: DesiredConfig) -> tuple[str, ...]:
        """Make *wanted* run from now on; return the cameras whose sessions that ended.

        Raises:
            ConfigRejected: Its broker's password is no longer there; nothing has changed.
        """
        broker = broker_address(self.settings, self.secrets, wanted.broker)
        ended = self.camera_parts.manager.apply(wanted.site)
        for camera in ended:
            self.camera_parts.session_manager.end_sessions(camera, "config")
        for config in wanted.site.cameras:
            if config.id in ended:
                self.camera_parts.sources.reset_logins(config)
        self.broker_parts.failover.switch_to(*broker_addresses(broker, self.settings))
        return ended

    async def preflight(self, wanted: DesiredConfig) -> None:
        """Try the broker of *wanted* beside the one in use.

        Raises:
            BrokerUnavailable: It has not accepted us.
            ConfigRejected: Its password is no longer there.
        """
        await self._preflight(broker_address(self.settings, self.secrets, wanted.broker))

    async def check_broker(self) -> None:
        """Try the broker in use once more beside the connection to it, if there is one.

        Raises:
            BrokerUnavailable: It would not accept us as we are now, with other files perhaps.
        """
        if self.broker_parts.client.connected:
            await self._preflight(self.broker_parts.failover.address)

    async def _preflight(self, broker: BrokerAddress) -> None:
        await preflight_connect(
            broker,
            client_id=self.broker_parts.client.client_id + PREFLIGHT_SUFFIX,
            subscription=self.broker_parts.topics.config_desired,
            clock=self.clock,
        )

    def connected(self) -> bool:
        """Return whether the centre can be reached over the broker that is wanted."""
        return (
            self.broker_parts.client.connected and not self.broker_parts.failover.switched.is_set()
        )

    async def wait_until_healthy(self, before: frozenset[str], percent: int) -> str:
        """Wait until the centre is reached and the cameras are back; return what is wrong."""
        remote = self.settings.remote
        return await wait_until_healthy(
            before,
            snapshots=self.camera_parts.manager.snapshots,
            connected=self.connected,
            percent=percent,
            gate_s=remote.gate_s,
            connect_s=remote.connect_s,
            clock=self.clock,
        )
