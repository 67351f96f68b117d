"""The key that opens this box's backups: made once, printed on paper by the owner.

An age X25519 identity (github.com/C2SP/C2SP/blob/main/age.md), so that any age program can open a backup.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass
from pathlib import Path

import pyrage

from appliance.paths import Home
from appliance.services.backup_errors import BackupError
from appliance.store.fallback import sync_folder

SEAL = b"zongji backup seal 1"
"""What makes the seal's key of the secret one."""
PREFIX = "AGE-SECRET-KEY-1"


@dataclass(frozen=True)
class BackupKey:
    """secret: the identity "AGE-SECRET-KEY-1…", public: the recipient "age1…"."""

    secret: str
    public: str

    @property
    def identity(self) -> pyrage.x25519.Identity:
        """For decryption."""
        return pyrage.x25519.Identity.from_str(self.secret)

    @property
    def recipient(self) -> pyrage.x25519.Recipient:
        """For encryption."""
        return pyrage.x25519.Recipient.from_str(self.public)

    def seal(self) -> hmac.HMAC:
        """A new seal, which only who has the secret can make: HMAC-SHA256 with a key of its own."""
        return hmac.new(hmac.digest(self.secret.encode("ascii"), SEAL, "sha256"), digestmod="sha256")

    @property
    def on_paper(self) -> list[str]:
        """The secret in groups of six characters, as it is printed and typed."""
        return [self.secret[i : i + 6] for i in range(0, len(self.secret), 6)]


def from_text(text: str) -> BackupKey:
    """A key as read from a file or typed from paper: blanks, line ends and case do not matter.
    Raises BackupError("bad_key")."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    secret = "".join("".join(lines).split()).upper()
    try:
        identity = pyrage.x25519.Identity.from_str(secret)
    except pyrage.IdentityError:
        raise BackupError(
            "bad_key",
            f"this is no recovery key: it begins with {PREFIX} and has 74 characters; compare it with the "
            "paper, character by character",
        ) from None
    return BackupKey(secret, str(identity.to_public()))


def load(home: Home) -> BackupKey | None:
    """The box's key, None where none has been made. Raises BackupError where the file is damaged."""
    try:
        return from_text(home.recovery_key.read_text(encoding="ascii", errors="replace"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BackupError(
            "key_unreadable", f"the recovery key {home.recovery_key} cannot be read: {error.strerror}"
        ) from error


def load_or_make(home: Home) -> BackupKey:
    """The box's key, made (mode 0600) where there is none. Raises BackupError."""
    known = load(home)
    if known is not None:
        return known
    identity = pyrage.x25519.Identity.generate()
    text = (
        "# The key that opens this box's backups (age X25519). Keep it on paper, away from the box.\n"
        f"# public key: {identity.to_public()}\n{identity}\n"
    )
    path = home.recovery_key
    try:
        _write_new(path, text)
    except OSError as error:
        raise BackupError(
            "key_unwritable",
            f"the recovery key cannot be written to {path}: {error.strerror}; no backup can be made "
            "without it",
        ) from error
    made = load(home)
    assert made is not None
    return made


def _write_new(path: Path, text: str) -> None:
    """The file appears whole, by a hard link; of two that start together the loser reads the winner's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, text.encode("ascii"))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(half, path)
    except FileExistsError:
        return
    finally:
        half.unlink()
    sync_folder(path.parent)  # or after a power cut the backups made with it would outlive it
