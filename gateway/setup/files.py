"""What a set-up leaves on the disk: passwords, the site document, contacts.

Each file belongs to whom its folder belongs to, and nobody else can read it: secrets are root's,
the state is the service's. All is replaced whole, and survives a power cut.
"""

from __future__ import annotations

from pathlib import Path

from gateway.config.check import site_faults
from gateway.config.fault_wording import wording_of
from gateway.config.secret_bindings import EnteredHosts, bindings_of, remembered_hosts
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.config.site_store import SiteStore
from gateway.model.contacts import Contacts
from gateway.model.errors import ConfigRejected, Fault
from gateway.model.site_document import SiteConfig
from gateway.runtime import atomic_file
from gateway.runtime.redact import Redactor
from gateway.setup.model import Account

CONTACTS = "contacts.json"


class SetupFiles:
    """The files of this box.

    Args:
        settings: Say where they are.
        redactor: Learns the secrets that are read.
    """

    def __init__(self, settings: Settings, redactor: Redactor) -> None:
        self._settings = settings
        self._redactor = redactor
        self._store = SiteStore(settings.state.dir)

    @property
    def site_path(self) -> Path:
        """Where the site document is."""
        return self._store.path

    @property
    def ruled_by_centre(self) -> bool:
        """Whether the centre has configured this box: then site.json is not what runs."""
        return (self._settings.state.dir / "config.json").exists()

    def load_site(self) -> SiteConfig:
        """Return the site document as it is. Raises ConfigRejected: it is broken."""
        return self._store.load().site

    def save_password(self, name: str, host: str, account: Account) -> Path:
        """Write the password of *account* for the device at *host*, and no other; return the file.

        Raises:
            TransientError: The disk is full or read-only.
        """
        folder = self._settings.secrets_folder / "camera"
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
        # systemd takes no ":" in the name of a credential; such a one is bound by the document
        path = folder / (name if ":" in host else f"{name}@{host}")
        content = account.password.get_secret_value().encode() + b"\n"
        atomic_file.replace(path, content, prepare=atomic_file.owned_like(folder))
        return path

    def faults_of(self, site: SiteConfig) -> tuple[Fault, ...]:
        """Return what keeps *site* from running on this machine."""
        entered = EnteredHosts.of(site)
        bindings = bindings_of(
            self._settings, remembered_hosts(self._settings.state.dir, None), entered
        )
        secrets = Secrets(self._settings.secrets_folder, redactor=self._redactor, bindings=bindings)
        return tuple(site_faults(self._settings, site, secrets))

    def save_site(self, site: SiteConfig) -> None:
        """Write *site*. Raises TransientError: the disk is full or read-only."""
        self._store.save(site, prepare=atomic_file.owned_like(self._settings.state.dir))

    def save_contacts(self, contacts: Contacts) -> Path:
        """Write *contacts*, which only the service can read. Raises TransientError likewise."""
        path = self._settings.state.dir / CONTACTS
        content = contacts.model_dump_json(indent=2, exclude_none=True).encode() + b"\n"
        atomic_file.replace(path, content, prepare=atomic_file.owned_like(self._settings.state.dir))
        return path


def site_or_none(files: SetupFiles) -> tuple[SiteConfig, str]:
    """Return the site document, or an empty one and what is wrong with that on the disk."""
    try:
        return files.load_site(), ""
    except ConfigRejected as error:
        return SiteConfig(), wording_of(error.faults[0]).vi
