"""Content locked with a passphrase: scrypt makes the key, AES-256-GCM locks and authenticates.

A file is the line `PREFIX`, 16 bytes of salt, 12 of nonce, and the ciphertext with its tag. What
the key costs is fixed here and not read from the file, so that no file can ask for more.

Sources: RFC 7914 (scrypt), NIST SP 800-38D (GCM).
"""

from __future__ import annotations

import os
import unicodedata
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gateway.model.errors import ConfigRejected, Fault

PREFIX = b"camera-gateway backup 1\n"
SALT_BYTES, NONCE_BYTES, TAG_BYTES = 16, 12, 16

COST = 1 << 16
"""Of scrypt, with r = 8: 64 MiB of memory, and half a second on a Raspberry Pi 4."""

SHORTEST_PASSPHRASE = 10
"""Characters."""


def encrypt(content: bytes, passphrase: str) -> bytes:
    """Return *content*, locked. Raises ConfigRejected: the passphrase is too short."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        _refuse("passphrase", f"the passphrase needs at least {SHORTEST_PASSPHRASE} characters")
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    return PREFIX + salt + nonce + _cipher(passphrase, salt).encrypt(nonce, content, PREFIX)


def decrypt(raw: bytes, passphrase: str) -> bytes:
    """Return what *raw* holds.

    Raises:
        ConfigRejected: It is no backup (``backup.form``), or the passphrase does not fit or the
            file has been changed (``backup.passphrase``); which, nobody can tell.
    """
    rest = raw.removeprefix(PREFIX)
    if rest is raw or len(rest) < SALT_BYTES + NONCE_BYTES + TAG_BYTES:
        _refuse("form", "it is no backup of a camera gateway")
    salt, nonce = rest[:SALT_BYTES], rest[SALT_BYTES : SALT_BYTES + NONCE_BYTES]
    try:
        return _cipher(passphrase, salt).decrypt(nonce, rest[SALT_BYTES + NONCE_BYTES :], PREFIX)
    except InvalidTag:
        _refuse("passphrase", "the passphrase does not fit, or the file is damaged")


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    # The same text is typed as other code points on other systems.
    typed = unicodedata.normalize("NFC", passphrase).encode(errors="surrogatepass")
    key = Scrypt(salt=salt, length=32, n=COST, r=8, p=1).derive(typed)
    return AESGCM(key)


def _refuse(code: str, message: str) -> NoReturn:
    raise ConfigRejected((Fault("", f"backup.{code}", message),))
