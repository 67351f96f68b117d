"""The key that signs session cookies: made once, kept readable by the box alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def load_or_make(path: Path) -> bytes:
    """The key in `path`, made (mode 0600) when there is none.

    Two processes that start together end with the same key: the file appears
    whole, by a hard link, and the loser reads the winner's. Raises OSError.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, secrets.token_bytes(KEY_BYTES))
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(own, path)
    except FileExistsError:
        return path.read_bytes()
    finally:
        own.unlink()
    return path.read_bytes()
