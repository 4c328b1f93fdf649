"""The set-up at work: the state machine, and what it needs of cameras, centre and disk.

Both faces call the same methods. What takes long is an operation: one at a time, begun at once,
done by `run`; the faces look at its progress.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import structlog
from pydantic import SecretStr

from gateway.config.fault_wording import joined
from gateway.config.load import load_settings, policy_of
from gateway.config.secret_bindings import host_of
from gateway.config.settings import Settings
from gateway.discovery.addresses import is_part
from gateway.discovery.causes import WORDING as CAUSES
from gateway.discovery.causes import Cause, CauseCode
from gateway.discovery.discovery import Discovery
from gateway.discovery.found import FoundDevice as DiscoveredDevice
from gateway.discovery.limits import DiscoveryLimits
from gateway.discovery.refused_logins import FILE as REFUSED_FILE
from gateway.discovery.refused_logins import MOST, MOST_WITH_CAMERAS, RefusedLogins
from gateway.model.contacts import ContactConfig, Contacts
from gateway.model.errors import ConfigRejected, Fault, GatewayError
from gateway.model.reasons import LOGIN_REFUSED, Wording
from gateway.model.site_document import SiteConfig
from gateway.model.survey import Survey
from gateway.model.wording import WORDING
from gateway.ports import Clock
from gateway.rtsp.auth import Login
from gateway.runtime.bugs import report_bug
from gateway.runtime.plain_text import printable
from gateway.runtime.redact import Redactor
from gateway.setup.addresses import Network, local_networks
from gateway.setup.camera_ids import device_id
from gateway.setup.camera_networks import add_network, network_of
from gateway.setup.devices import AUTO, by_template, of_discovery
from gateway.setup.document import changes, hosts_of, site_document
from gateway.setup.enrolling import Enrolment
from gateway.setup.files import SetupFiles, site_or_none
from gateway.setup.looking import CameraViewer
from gateway.setup.model import Account, Choice, Setup, SetupMistake, mistake, words_of
from gateway.setup.operation import Operation, Saved
from gateway.sources.registry import url_policy
from gateway.vision.decoder import Decoder

log = structlog.get_logger(__name__)


class SetupService:
    """Sets up this box.

    Args:
        settings_path: The settings file of the box.
        redactor: Learns each password.
        clock: Monotonic.
        enrolment: Enrols the box; None: this version has none.
        restart: Restarts the service; None: nobody here can.
        discovery_limits: Of looking for devices; None: the usual ones.
        machine_networks: Those that this machine is in; None: to be found out.

    Attributes:
        setup: All that is known.
        before: The site document as it was on the disk.
        broken: What is wrong with that; empty: nothing.
        operation: What is being done; None: nothing.
        notice: What came of the last operation, if it failed.
        saved: What the last save has done; None: nothing was saved yet.
        restarted: Whether the service was restarted after it.
        found: Devices that were found in the camera networks, by address.
        missing_network: That of the last device, if the settings do not have it; None: they do.

    Raises:
        ConfigRejected: The settings are wrong.
    """

    def __init__(
        self,
        settings_path: Path,
        *,
        redactor: Redactor,
        clock: Clock,
        enrolment: Enrolment | None = None,
        restart: Callable[[], Awaitable[None]] | None = None,
        discovery_limits: DiscoveryLimits | None = None,
        machine_networks: Sequence[Network] | None = None,
    ) -> None:
        self._settings_path = settings_path
        self._redactor = redactor
        self._clock = clock
        self._enrolment = enrolment
        self._restart = restart
        self._decoder = Decoder(clock=clock)
        self._work: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue(1)
        self._discovery_limits = discovery_limits
        self._load_settings()
        self.before, self.broken = site_or_none(self.files)
        self.setup = Setup(taken=frozenset(each.id for each in self.before.cameras))
        self._note_identity()
        if self.setup.enrolled:
            self.setup.step = "account"
        self.operation: Operation | None = None
        self.notice: Wording | None = None
        self.saved: Saved | None = None
        self.restarted = False
        self.missing_network: Network | None = None
        self._machine_networks: tuple[Network, ...] = local_networks()
        if machine_networks is not None:
            self._machine_networks = tuple(machine_networks)
        self.found: dict[str, DiscoveredDevice] = {}
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def _load_settings(self) -> None:
        self._settings: Settings = load_settings(self._settings_path)
        self._viewer = CameraViewer(policy_of(self._settings), self._decoder, self._clock)
        self.files = SetupFiles(self._settings, self._redactor)
        self._refused = RefusedLogins(self._settings.state.dir / REFUSED_FILE)
        self._discovery = Discovery(
            self._settings.cameras.networks,
            extra_ports=self._settings.cameras.ports,
            refused=self._refused,
            known=lambda: hosts_of(self.before),
            limits=self._discovery_limits,
            clock=self._clock,
        )

    def _note_identity(self) -> None:
        """Note who this box is by its settings, if it was enrolled: on this page or by command."""
        identity = self._settings.gateway
        self.setup.site_name = identity.name
        if self._settings.enrolment.url is not None:
            self.setup.enrolled = identity.name or identity.id

    @property
    def gateway(self) -> str:
        """Who this box is, by its settings."""
        return self._settings.gateway.id

    @property
    def networks(self) -> tuple[str, ...]:
        """Where cameras may be, by the settings."""
        return tuple(map(str, self._settings.cameras.networks))

    @property
    def own_networks(self) -> tuple[Network, ...]:
        """Those of this machine that the settings do not have: its cameras may be there."""
        known = self._settings.cameras.networks
        return tuple(
            each for each in self._machine_networks if not any(is_part(each, of) for of in known)
        )

    @property
    def folders(self) -> tuple[Path, ...]:
        """In which a set-up writes, beside that of the settings file."""
        return self._settings.state.dir, self._settings.secrets_folder

    @property
    def can_enrol(self) -> bool:
        """Whether a box can be enrolled here."""
        return self._enrolment is not None

    @property
    def can_restart(self) -> bool:
        """Whether the service can be restarted from here."""
        return self._restart is not None

    async def run(self) -> NoReturn:
        """Do what is begun, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._decoder.run(), name="decoder")
            while True:
                work = await self._work.get()
                try:
                    await work()
                except SetupMistake as error:
                    self.notice = error.wording
                except GatewayError as error:
                    self.notice = words_of(error)
                except Exception as error:  # ends this operation only
                    report_bug("session", error, "setup")
                    self.notice = Wording("Lỗi của chương trình", "A fault of this program")
                finally:
                    self.operation = None
                    self._is_idle.set()
        raise AssertionError  # the loop above has no end

    async def wait(self) -> None:
        """Return once nothing is being done."""
        await self._is_idle.wait()

    def _begin(self, operation: Operation, work: Callable[[Operation], Awaitable[None]]) -> None:
        """Begin *operation*. Raises SetupMistake: another is not done yet."""
        self.require_idle()
        self.operation, self.notice = operation, None
        self._is_idle.clear()
        self._work.put_nowait(lambda: work(operation))

    def require_idle(self) -> None:
        """Raise SetupMistake while an operation is being done."""
        if self.operation is not None:
            raise mistake("Việc trước chưa xong, hãy chờ", "Wait: the last thing is not done yet")

    def enrol(self, address: str, code: str) -> None:
        """Begin to enrol this box. Raises SetupMistake."""
        enrolment = self._enrolment
        if enrolment is None:
            raise mistake(
                "Bản này chưa đăng ký được từ đây",
                "This version cannot enrol from here",
                "Chạy: sudo camera-gateway enrol",
                "Run: sudo camera-gateway enrol",
            )

        async def work(_: Operation) -> None:
            await enrolment.enrol(address, code)
            self._load_settings()
            self._note_identity()

        self._begin(Operation("enrol"), work)

    def find(self) -> None:
        """Begin to look for devices in the camera networks; nobody logs in anywhere.

        Raises:
            SetupMistake: Another operation is not done yet.
        """

        async def work(operation: Operation) -> None:
            async with aclosing(self._discovery.discover()) as items:
                async for item in items:
                    if isinstance(item, DiscoveredDevice):
                        self.found[item.address] = replace(item, channels=())
                    elif item.stage != "notice":
                        operation.done, operation.total = item.done, item.total

        self._begin(Operation("find"), work)

    def add_device(
        self,
        host: str,
        *,
        port: int = 554,
        maker: str = AUTO,
        channels: int = 1,
        username: str,
        password: str,
    ) -> None:
        """Begin to add a device: to ask what it has, or by a template, and to look at its channels.

        Args:
            host: Its address.
            port: Of RTSP, where the maker is named.
            maker: `AUTO`, or a family of `gateway.discovery.templates`.
            channels: How many it has, where the maker is named.
            username: Empty: it asks for no login.
            password: Of that user.

        Raises:
            SetupMistake: A value cannot be, the address is outside the camera networks, or this
                device has refused logins too often.
        """
        self.require_idle()
        self._require_permitted(host, port)
        account = self._account(host, username, password)
        name = self._device_id(host)
        if maker != AUTO:
            self.setup.add_device(name, by_template(maker, host, port, channels), account)
            self.setup.go("channels")
            self.look((name,))
            return

        async def work(operation: Operation) -> None:
            login = None if account is None else Login(account.username, account.password)
            told = await self._discovery.examine(host, login)
            self.found[told.address] = replace(told, channels=())
            if not told.channels:
                raise SetupMistake((told.reason or Cause(CauseCode.NO_CHANNEL)).wording)
            self.setup.add_device(name, of_discovery(told), account)
            self.setup.go("channels")
            self.notice = None if told.reason is None else told.reason.wording
            operation.name = "look"
            await self._look_at((name,), operation)

        self._begin(Operation("ask"), work)

    def add_network(self, network: str) -> None:
        """Add *network*, the missing one or one of this machine's, to the settings of this box.

        Raises:
            SetupMistake: It is neither, or the file has to be changed by hand.
            TransientError: The disk is full or read-only.
        """
        self.require_idle()
        offered = {str(each): each for each in (self.missing_network, *self.own_networks) if each}
        if network not in offered:
            raise mistake("Không thiếu dải mạng này", "This network is not missing")
        add_network(self._settings_path, offered[network])
        log.warning("camera_network_added", network=network)
        self.missing_network = None
        self._load_settings()

    def look(self, devices: Sequence[str] = ()) -> None:
        """Begin to fetch a picture of every channel of *devices*; empty: of all.

        Raises:
            SetupMistake: There is none, or another operation is not done yet.
        """
        if not self.setup.channels:
            raise mistake("Chưa có đầu ghi nào", "There is no recorder yet")
        names = tuple(devices or self.setup.devices)
        self._begin(Operation("look"), lambda operation: self._look_at(names, operation))

    async def _look_at(self, devices: Sequence[str], operation: Operation) -> None:
        """Fetch a picture of every channel of *devices*."""
        wanted = [each for each in self.setup.channels.values() if each.device in devices]
        operation.done, operation.total = 0, len(wanted)
        await self._viewer.look(
            wanted, self.setup.accounts, self.setup.set_picture, operation.advance
        )
        for name in devices:
            if self._was_refused(name):
                self._refused.record(self.setup.devices[name].host)

    def choose(self, choices: Sequence[Choice]) -> None:
        """Make these channels cameras, and begin to test them. Raises SetupMistake."""
        self.require_idle()
        self.setup.choose(choices)
        self.setup.go("test")
        self.test()

    def test(self) -> None:
        """Begin to test every chosen camera. Raises SetupMistake: none is chosen."""
        wanted = self.setup.chosen
        if not wanted:
            raise mistake("Chưa chọn camera nào", "No camera has been ticked yet")

        async def work(operation: Operation) -> None:
            await self._viewer.test(
                wanted, self.setup.accounts, self.setup.set_tests, operation.advance
            )

        self._begin(Operation("test", len(wanted)), work)

    def planned(self) -> tuple[tuple[str, str, str], ...]:
        """Return what a save would change, as `Saved.changes`; nothing while it cannot be told."""
        if not any(each.tests for each in self.setup.chosen):
            return ()
        try:
            return changes(self.before, site_document(self.setup, self.before))
        except ConfigRejected:
            return ()

    def save(self) -> None:
        """Write passwords and site document, by the checks that the service makes.

        Raises:
            SetupMistake: Nothing was tested, or the document has faults, which are named.
            TransientError: The disk is full or read-only.
        """
        self.require_idle()
        if "save" not in self.setup.reachable():
            self.setup.go("save")
        try:
            document = site_document(self.setup, self.before)
        except ConfigRejected as error:
            raise _refused(error.faults) from None
        used = {each.device for each in self.setup.chosen}
        secrets = tuple(
            str(self.files.save_password(name, self.setup.devices[name].host, account))
            for name, account in self.setup.accounts.items()
            if name in used
        )
        if faults := self.files.faults_of(document):
            raise _refused(faults, document)
        self._write(document, secrets)
        log.info("site_saved", path=str(self.files.site_path), cameras=len(document.cameras))

    def declare(self, survey: Survey, people: Sequence[ContactConfig]) -> None:
        """Write what was declared for the form into the document, and people into their own file.

        Raises:
            SetupMistake: Nothing was saved yet, or the document would have faults.
            TransientError: The disk is full or read-only.
        """
        self.require_idle()
        if "survey" not in self.setup.reachable():
            self.setup.go("survey")
        update = {"inventory": survey, "version": self.before.version + 1}
        document = self.before.model_copy(update=update)
        if faults := self.files.faults_of(document):
            raise _refused(faults, document)
        if people:
            self.files.save_contacts(Contacts(contacts=tuple(people)))
        self._write(document, self.saved.secrets if self.saved else ())

    async def restart_service(self) -> None:
        """Have the service read what was saved. Raises SetupMistake: nobody here can do it."""
        if self._restart is None:
            raise mistake(
                "Hãy khởi động lại dịch vụ",
                "Restart the service",
                "Chạy: sudo systemctl restart camera-gateway",
                "Run: sudo systemctl restart camera-gateway",
            )
        await self._restart()
        self.restarted = True

    def _write(self, document: SiteConfig, secrets: tuple[str, ...]) -> None:
        was = self.before
        self.files.save_site(document)
        differs = changes(was, document)
        if self.saved is not None and not differs:
            differs = self.saved.changes
        self.before, self.broken = document, ""
        self.setup.saved, self.restarted = True, False
        self.saved = Saved(str(self.files.site_path), differs, secrets, self.files.ruled_by_centre)

    def _require_permitted(self, host: str, port: int) -> None:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise mistake(
                "Địa chỉ đầu ghi phải là địa chỉ IP, ví dụ 192.168.1.10",
                "The recorder's address must be an IP address, e.g. 192.168.1.10",
            ) from None
        if not any(address in network for network in self._settings.cameras.networks):
            inside = ", ".join(self.networks)
            self.missing_network = network_of(host)
            raise mistake(
                f"{host} không thuộc dải mạng camera ({inside})",
                f"{host} is outside the camera networks ({inside})",
                "Kiểm tra địa chỉ; nếu đúng, thêm dải mạng của nó.",
                "Check the address; if it is right, add its network.",
            )
        self.missing_network = None
        shown = f"[{host}]" if ":" in host else host
        policy = url_policy(self._settings.cameras.networks, self._settings.cameras.ports)
        fault = policy.check(f"rtsp://{shown}:{port}/")
        if fault is not None:
            raise mistake(
                f"Cổng {port} không được phép",
                printable(fault.message),
                "Thêm cổng vào ports trong bảng [cameras] của gateway.toml.",
                "Add the port to ports in the table [cameras] of gateway.toml.",
            )

    def _account(self, host: str, username: str, password: str) -> Account | None:
        """Return who logs in at *host*. Raises SetupMistake: too many tries, or impossible."""
        if not username:
            return None
        if not password or not password.isprintable() or not username.isprintable():
            raise mistake("Chưa nhập mật khẩu", "Enter the password")
        most = MOST_WITH_CAMERAS if host in hosts_of(self.before) else MOST
        if not self._refused.may_try(host, most):
            raise SetupMistake(CAUSES[CauseCode.NOT_TRIED])
        self._redactor.add_secret(password, username=username)
        return Account(username, SecretStr(password))

    def _was_refused(self, name: str) -> bool:
        """Return whether the device *name* has refused the login, by its last pictures."""
        channels = [each for each in self.setup.channels.values() if each.device == name]
        refused = any(each.trouble in map(WORDING.get, LOGIN_REFUSED) for each in channels)
        return refused and name in self.setup.accounts

    def _device_id(self, host: str) -> str:
        """Return the name of the device at *host*: as in this set-up, or the document, or new."""
        for name, device in self.setup.devices.items():
            if device.host == host:
                return name
        known = {
            camera.device
            for camera in self.before.cameras
            if camera.device and host_of(camera.streams[0].url) == host
        }
        if known:
            return min(known)
        used = {each.device or "" for each in self.before.cameras} | {
            each.password.name for each in self.before.cameras if each.password is not None
        }
        return device_id({*used, *self.setup.devices, *self.setup.taken})


def _refused(faults: Sequence[Fault], document: SiteConfig | None = None) -> SetupMistake:
    tree = None if document is None else document.model_dump(mode="json")
    said = joined(faults, tree)
    vi, en = printable(f"Chưa lưu: {said.vi}"), printable(f"Not saved: {said.en}")
    return mistake(vi, en, said.vi_todo, said.en_todo)
