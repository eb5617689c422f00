"""Encrypts the file of keys with a key of the operator's own: AES-256-GCM, from a library that is audited for it.

Its use is narrow: a copy of the file alone (a backup, a disk) gives nothing away. Where the gateway reads the file
itself it cannot be encrypted, and who can read the operator's key as well reads everything.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agent_config_sync.errors import SettingsError
from agent_config_sync.publish import atomic

SHORTEST = 32
"""Bytes of the operator's key; `openssl rand -base64 32` gives 45."""

LONGEST = 4096

_NONCE = 12
"""Bytes (NIST SP 800-38D, 8.2); random, which is safe for more writes than a disk lives."""

_PURPOSE = b"agent-config-sync secrets 1"


class AesSeal:
    """Opens only what was closed with the same key."""

    def __init__(self, key: bytes) -> None:
        """key: random bytes, in whatever form."""
        self._cipher = AESGCM(HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(key))

    @classmethod
    def of_file(cls, path: Path) -> AesSeal:
        """Return the seal of a key file; blanks around the key do not count.

        Raises: SettingsError when it is no file for a key.
        """
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                key = file.read(LONGEST).strip()
        except OSError as error:
            raise SettingsError(f"secrets_key_file {path} cannot be read ({error.strerror})") from None
        if status.st_mode & atomic.FOR_OTHERS:
            mode = stat.S_IMODE(status.st_mode)
            raise SettingsError(f"secrets_key_file {path} is open to others (mode {mode:o}): chmod 600 it")
        if len(key) < SHORTEST:
            raise SettingsError(f"secrets_key_file {path} must hold {SHORTEST} bytes or more: openssl rand -base64 32")
        return cls(key)

    def close(self, content: bytes) -> str:
        """Return the bytes encrypted, as a text."""
        nonce = os.urandom(_NONCE)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, content, _PURPOSE)).decode()

    def open(self, sealed: str) -> bytes | None:
        """Return the bytes, None where another key has closed them, or somebody has changed them."""
        try:
            whole = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(whole[:_NONCE], whole[_NONCE:], _PURPOSE)
        except (binascii.Error, ValueError, InvalidTag):
            return None
