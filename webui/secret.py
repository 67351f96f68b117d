"""The key that signs session cookies: made once, kept readable by the box alone."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

KEY_BYTES = 32


def load_or_make(path: Path) -> bytes:
    """The key in `path`, made (mode 0600) when there is none.

    Two that start together end with the same key: the file appears
    whole, by a hard link, and the loser reads the winner's. Raises OSError.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    own = Path(name)
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
