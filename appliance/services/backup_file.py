"""The one file that a backup is.

    zongji-backup 2\\n
    {header as JSON, padded with blanks to 4031 bytes}{seal, 64 hexadecimal digits}\\n
    age v1 file (X25519), inside it tar + gzip; its last member, manifest.json, has the header and
    the size and SHA-256 of every other member

`tail -c +4113 FILE | age -d -i KEY | tar xz` opens it without this program. The header tells what a backup is
before the key is at hand; the manifest proves that nothing was lost. Who made it is proved by the seal:
anybody may encrypt for a public key, but the seal is an HMAC-SHA256 over the age file and the first 4047
bytes with a key made of the secret one (`BackupKey.seal`). Files of the kind "zongji-backup 1" have none.

Where a backup shall be opened with a passphrase, the header carries the secret key, itself encrypted with the
passphrase (age scrypt).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import io
import json
import os
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import pyrage

from appliance.services.backup_errors import BackupError
from appliance.services.backup_key import BackupKey, from_text

MAGIC = b"zongji-backup 2\n"
UNSEALED = b"zongji-backup 1\n"
HEADER_BYTES = 4096
SEAL_DIGITS = 64
TEXT_BYTES = HEADER_BYTES - SEAL_DIGITS - 1
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 256 << 20
CHUNK = 1 << 20
LATEST_S = 253_402_300_800
"""Unix seconds of the year 10000: later ones are no date."""

Progress = Callable[[int], None]
"""Told how many bytes of content have gone through so far."""


@dataclass(frozen=True)
class Header:
    """What can be read without the key. made_at: Unix seconds; schema: number of the database's migrations;
    key: public key that it is encrypted for; total_bytes: size of the whole file; passphrase: the secret
    key encrypted with a passphrase (base64), "" when there is none; sealed: told by the file's kind, and
    proved only by `read`."""

    made_at: float
    version: str
    schema: int
    box: str
    key: str
    recordings: bool
    automatic: bool
    files: int = 0
    content_bytes: int = 0
    total_bytes: int = 0
    passphrase: str = ""
    sealed: bool = False


@dataclass(frozen=True)
class Member:
    """A file that goes into a backup under `name`."""

    name: str
    path: Path


@dataclass
class _Counts:
    files: int = 0
    content_bytes: int = 0


def wrap_key(key: BackupKey, passphrase: str) -> str:
    """The secret key encrypted with a passphrase, for a header."""
    return base64.b64encode(pyrage.passphrase.encrypt(key.secret.encode(), passphrase)).decode("ascii")


def key_from_passphrase(header: Header, passphrase: str) -> BackupKey:
    """The key that the header carries. Raises BackupError."""
    if not header.passphrase:
        raise BackupError(
            "no_passphrase", "this backup has no passphrase; it is opened with the recovery key"
        )
    try:
        return from_text(pyrage.passphrase.decrypt(base64.b64decode(header.passphrase), passphrase).decode())
    except (pyrage.DecryptError, ValueError) as error:
        raise BackupError(
            "wrong_passphrase", "this is not the passphrase of this backup; nothing was changed"
        ) from error


# ------------------------------------------------------------------------ writing
def write(
    target: BinaryIO, header: Header, key: BackupKey, members: Iterable[Member], progress: Progress
) -> Header:
    """Write a backup into the empty file `target`; returns the header with its counts. A member that goes
    away meanwhile (a recording whose time was up) is left out. Raises OSError, BackupError."""
    target.write(MAGIC + b" " * (HEADER_BYTES - 1) + b"\n")
    seal = key.seal()
    read_end, write_end = os.pipe()
    failed: list[BaseException] = []
    counts = _Counts()

    def produce() -> None:
        try:
            with os.fdopen(write_end, "wb") as pipe:
                _produce(pipe, header, members, progress, counts)
        except BaseException as error:  # handed to the thread that waits for it
            failed.append(error)

    producer = threading.Thread(target=produce, name="backup-tar")
    producer.start()
    try:
        with os.fdopen(read_end, "rb") as pipe:
            pyrage.encrypt_io(pipe, cast(BinaryIO, _Sealing(target, seal)), [key.recipient])
    except pyrage.EncryptError as error:
        failed.append(OSError(f"it could not be written: {error}"))
    finally:
        producer.join()
    for problem in failed:
        if not isinstance(problem, BrokenPipeError):
            raise problem
    target.flush()
    target.seek(0, os.SEEK_END)
    done = replace(header, total_bytes=target.tell(), files=counts.files, content_bytes=counts.content_bytes)
    written = {name: value for name, value in asdict(done).items() if name != "sealed"}
    text = json.dumps(written, ensure_ascii=False).encode()
    if len(text) > TEXT_BYTES:
        raise BackupError("failed", "the header of the backup is too long")
    head = MAGIC + text.ljust(TEXT_BYTES)
    seal.update(head)
    target.seek(0)
    target.write(head + seal.hexdigest().encode("ascii"))
    return replace(done, sealed=True)


class _Sealing:
    """A file to be written or read whose bytes go into the seal as they pass."""

    def __init__(self, file: BinaryIO, seal: hmac.HMAC) -> None:
        self._file = file
        self._seal = seal

    def write(self, data: bytes) -> int:
        self._seal.update(data)
        return self._file.write(data)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._seal.update(data)
        return data

    def flush(self) -> None:
        self._file.flush()


def _produce(
    pipe: IO[bytes], header: Header, members: Iterable[Member], progress: Progress, counts: _Counts
) -> None:
    listed: dict[str, dict[str, Any]] = {}
    with (
        gzip.GzipFile(fileobj=pipe, mode="wb", compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w|", bufsize=CHUNK) as tar,
    ):
        for member in members:
            try:
                source = member.path.open("rb")
            except FileNotFoundError:
                continue
            with source:
                info = tarfile.TarInfo(member.name)
                info.size = os.fstat(source.fileno()).st_size
                info.mtime = int(os.fstat(source.fileno()).st_mtime)
                info.mode = 0o640
                reader = _Hashing(source, info.size)
                tar.addfile(info, cast(IO[bytes], reader))
            listed[member.name] = {"size": info.size, "sha256": reader.digest.hexdigest()}
            counts.files += 1
            counts.content_bytes += info.size
            progress(counts.content_bytes)
        about = {"header": _proved(header), "files": listed}
        text = json.dumps(about, ensure_ascii=False).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))


class _Hashing:
    """Reads exactly `size` bytes and hashes them; a file that has become shorter ends in zeros."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source = source
        self._left = size
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._source.read(wanted)
        data += bytes(wanted - len(data))
        self._left -= wanted
        self.digest.update(data)
        return data


def _proved(header: Header) -> dict[str, Any]:
    """What of the header the manifest repeats; the counts are known only after it."""
    left_out = ("files", "content_bytes", "total_bytes", "sealed")
    return {name: value for name, value in asdict(header).items() if name not in left_out}


# ------------------------------------------------------------------------ reading
def read_header(path: Path) -> Header:
    """What a backup is, without its key. Raises BackupError: not_a_backup, truncated, disk."""
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC) + HEADER_BYTES)
            size = file.seek(0, os.SEEK_END)
    except OSError as error:
        raise BackupError("disk", f"{path.name} cannot be read: {error.strerror}") from error
    if not head.startswith(MAGIC[:14]):
        raise BackupError("not_a_backup", f"{path.name} is no backup of this product")
    if len(head) < len(MAGIC) + HEADER_BYTES:
        raise BackupError("truncated", _truncated(path.name))
    if not head.startswith((MAGIC, UNSEALED)):
        raise BackupError("newer_format", f"{path.name} was made by a newer version; install that one first")
    try:
        sealed = head.startswith(MAGIC)
        text = head[len(MAGIC) : len(MAGIC) + TEXT_BYTES] if sealed else head[len(MAGIC) :]
        header = Header(**json.loads(text), sealed=sealed)
        _check(header)
    except (ValueError, TypeError, RecursionError) as error:
        raise BackupError("tampered", _tampered(path.name, f"its header: {error}")) from error
    if size < header.total_bytes or not header.total_bytes:
        raise BackupError("truncated", _truncated(path.name))
    if size > header.total_bytes:
        raise BackupError("tampered", _tampered(path.name, "it is longer than it was"))
    return header


def _check(header: Header) -> None:
    """Anybody may have written it. Raises ValueError, with the field, where this program would not."""
    for name, value in asdict(header).items():
        if name == "made_at":
            fits = type(value) in (int, float) and 0 <= value < LATEST_S  # not a number is neither
        elif name in ("recordings", "automatic", "sealed"):
            fits = type(value) is bool
        elif name in ("schema", "files", "content_bytes", "total_bytes"):
            fits = type(value) is int and 0 <= value < 1 << 63
        else:
            fits = type(value) is str and value.isprintable()
        if not fits:
            raise ValueError(f"{name} is {str(value)[:40]!r}")


def _truncated(name: str) -> str:
    return (
        f"{name} is not complete: the end is missing, as when a copy was interrupted; copy it again or use "
        "another backup"
    )


def _tampered(name: str, what: str) -> str:
    return f"{name} has been changed or damaged since it was made ({what}); use another backup"


def read(path: Path, key: BackupKey, take: Callable[[str, IO[bytes]], None], progress: Progress) -> Header:
    """Go through a backup: `take(name, content)` for every member, which must read all of it; everything is
    checked against the manifest at the end. Raises BackupError; what was taken counts for nothing then."""
    header = read_header(path)
    seal = key.seal()
    if header.key != key.public:
        raise BackupError(
            "foreign_key",
            f"{path.name} was made for another key (it needs {header.key[:16]}…, this is "
            f"{key.public[:16]}…): type the recovery key from the paper of the box that made it",
        )
    seen: dict[str, dict[str, Any]] = {}
    done = 0
    with _decrypted(path, key, seal) as stream:
        manifest: dict[str, Any] | None = None
        with tarfile.open(fileobj=stream, mode="r|gz", bufsize=CHUNK) as tar:
            for info in tar:
                content = tar.extractfile(info)
                if content is None or manifest is not None or info.name in seen or not _safe(info.name):
                    raise BackupError("tampered", _tampered(path.name, f"member {info.name!r}"))
                if info.name == MANIFEST and info.size <= MAX_MANIFEST_BYTES:
                    manifest = _manifest(path, content)
                    continue
                done += info.size
                if done > header.content_bytes:
                    raise BackupError("tampered", _tampered(path.name, "it holds more than it says"))
                hashing = _Hashing(cast(BinaryIO, content), info.size)
                take(info.name, cast(IO[bytes], hashing))
                while hashing.read(CHUNK):
                    pass  # what `take` did not want still has to be proved
                seen[info.name] = {"size": info.size, "sha256": hashing.digest.hexdigest()}
                progress(done)
    if manifest is None:
        raise BackupError("truncated", _truncated(path.name))
    if manifest.get("files") != seen:
        raise BackupError("tampered", _tampered(path.name, "its files"))
    if manifest.get("header") != _proved(header):
        raise BackupError("tampered", _tampered(path.name, "its header"))
    if header.sealed:
        _prove_seal(path, seal)
    return header


def _manifest(path: Path, content: IO[bytes]) -> dict[str, Any]:
    """Raises BackupError("tampered")."""
    try:
        found = json.loads(content.read())
        if isinstance(found, dict):
            return found
        reason = "it is no object"
    except (ValueError, RecursionError) as error:
        reason = str(error)
    raise BackupError("tampered", _tampered(path.name, f"its manifest: {reason}"))


def _prove_seal(path: Path, seal: hmac.HMAC) -> None:
    """seal: of the age file as it was read. Raises BackupError("forged")."""
    with path.open("rb") as file:
        head = file.read(len(MAGIC) + HEADER_BYTES)
    seal.update(head[: len(MAGIC) + TEXT_BYTES])
    told = head[len(MAGIC) + TEXT_BYTES :].strip()
    if not hmac.compare_digest(seal.hexdigest().encode("ascii"), told):
        raise BackupError(
            "forged",
            f"{path.name} was not made by a box that has this recovery key, although it is encrypted for it: "
            "somebody has made or changed it who knows the public half only; use another backup",
        )


def _safe(name: str) -> bool:
    parts = name.split("/")
    return (
        not name.startswith("/") and all(part not in ("", ".", "..") for part in parts) and "\0" not in name
    )


@contextmanager
def _decrypted(path: Path, key: BackupKey, seal: hmac.HMAC) -> Iterator[IO[bytes]]:
    """The content as a stream; what age complains about comes at the end as BackupError("tampered"). seal:
    has seen all of the age file then."""
    read_end, write_end = os.pipe()
    failed: list[BaseException] = []

    def decrypt() -> None:
        try:
            with path.open("rb") as source, os.fdopen(write_end, "wb") as pipe:
                source.seek(len(MAGIC) + HEADER_BYTES)
                sealed = _Sealing(source, seal)
                pyrage.decrypt_io(cast(BinaryIO, sealed), pipe, [key.identity])
                while sealed.read(CHUNK):
                    pass
        except BaseException as error:  # handed to the thread that reads
            failed.append(error)

    thread = threading.Thread(target=decrypt, name="backup-decrypt")
    thread.start()
    problem: BaseException | None = None
    try:
        with os.fdopen(read_end, "rb") as stream:
            try:
                yield stream
                while stream.read(CHUNK):
                    pass  # to the end, so that the last chunk is proved too
            except (tarfile.TarError, EOFError, OSError, ValueError) as error:
                problem = error
    finally:
        thread.join()
    told = [error for error in failed if "Broken pipe" not in str(error)]
    if told or problem is not None:
        reason = told[0] if told else problem
        with suppress(AttributeError):
            if isinstance(reason, OSError) and reason.errno:
                raise BackupError("disk", f"{path.name} cannot be read: {reason.strerror}") from reason
        raise BackupError("tampered", _tampered(path.name, str(reason))) from reason
