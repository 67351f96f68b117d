"""The hash tree of a bundle, computed before anything is written.

RAUC checks the signature first and each block while it copies: a block that was changed would be found with
half a slot written. Here the whole file is compared beforehand. Layout (RAUC 1.8, format "verity"):

    | payload, blocks of 4096 | hash tree, top level first | CMS signature | its size, 8 bytes big-endian |

dm-verity, format 1: SHA-256 over salt and block; a level's digests fill blocks, padded with zeros.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from image.box import commands, squashfs

BLOCK = 4096
DIGEST = 32
MAX_SIGNATURE = 1 << 20
TOLD_BLOCKS = 256
"""After so many it is told how far the comparison is."""
NAME = re.compile(r"[\w][\w .+()-]{0,120}\.raucb")
"""A plain file name; the pages know the same (webui/views/updates.py)."""


class Damaged(Exception):
    """This is no whole bundle, or not what was signed; the text says which."""


class Unsigned(Damaged):
    """There is all that would be installed, and no signature behind it."""


@dataclass(frozen=True)
class Layout:
    """Where the parts of a bundle lie; sizes in bytes."""

    payload: int
    tree: int
    root_hash: bytes
    salt: bytes


def signature(file: BinaryIO) -> tuple[int, bytes]:
    """(where the signature begins, the signature). Raises Damaged, Unsigned too."""
    total = file.seek(0, os.SEEK_END)
    if total < BLOCK + 8:
        raise Damaged("the file is too short for a bundle")
    file.seek(total - 8)
    size = int.from_bytes(file.read(8), "big")
    begin = total - 8 - size
    if not 0 < size <= MAX_SIGNATURE or begin < BLOCK:
        whole = squashfs.length(file)
        if whole is not None and total >= whole:
            raise Unsigned("there is no signature at the end of the bundle")
        raise Damaged("the end of the bundle is missing")
    file.seek(begin)
    return begin, file.read(size)


def layout(path: Path) -> Layout:
    """Read the signed manifest; whether its signer may be trusted is RAUC's matter, asked before. Raises
    Damaged."""
    with path.open("rb") as file:
        end, signed = signature(file)
    with tempfile.NamedTemporaryFile(prefix="zongji-signature-") as blob:
        blob.write(signed)
        blob.flush()
        done = commands.run("openssl", "cms", "-verify", "-noverify", "-inform", "DER", "-in", blob.name)
    if not done.ok:
        raise Damaged("the signature of the bundle is damaged")
    manifest = configparser.ConfigParser(interpolation=None)
    try:
        manifest.read_string(done.out)
        bundle = manifest["bundle"]
        hashed, salt, tree = bundle["verity-hash"], bundle["verity-salt"], int(bundle["verity-size"])
        found = Layout(end - tree, tree, bytes.fromhex(hashed), bytes.fromhex(salt))
    except (configparser.Error, KeyError, ValueError) as error:
        raise Damaged(f"the manifest of the bundle names no hash tree: {error}") from error
    if found.payload <= 0 or found.payload % BLOCK or tree <= 0 or tree % BLOCK:
        raise Damaged("the parts of the bundle do not fit together")
    return found


def check(path: Path, tell: Callable[[int], None] = lambda percent: None) -> None:
    """Compare every byte of the bundle with its signed hash; `tell` hears how far it is. Raises Damaged,
    OSError."""
    parts = layout(path)
    with path.open("rb") as file:
        levels = [_digests(file, parts.payload // BLOCK, parts.salt, tell)]
        while len(levels[0]) > BLOCK:
            levels.insert(0, _level(levels[0], parts.salt))
        root = hashlib.sha256(parts.salt + levels[0]).digest()
        stored = file.read(parts.tree)
    if root != parts.root_hash or stored != b"".join(levels):
        raise Damaged("the content of the bundle is not what was signed")


def _digests(file: BinaryIO, blocks: int, salt: bytes, tell: Callable[[int], None]) -> bytes:
    file.seek(0)
    start = hashlib.sha256(salt)
    found = bytearray()
    for number in range(blocks):
        if not number % TOLD_BLOCKS:
            tell(100 * number // blocks)
        hashed = start.copy()
        hashed.update(file.read(BLOCK))
        found += hashed.digest()
    return _padded(found)


def _level(below: bytes, salt: bytes) -> bytes:
    parts = (below[at : at + BLOCK] for at in range(0, len(below), BLOCK))
    return _padded(bytearray().join(hashlib.sha256(salt + part).digest() for part in parts))


def _padded(digests: bytearray) -> bytes:
    return bytes(digests) + bytes(-len(digests) % BLOCK)


def plausible_name(name: str) -> bool:
    """May a bundle be called this? A plain file name that ends in .raucb."""
    return bool(NAME.fullmatch(name))
