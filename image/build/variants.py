"""Bundles that the tests of updates and falls need, each made once and kept in build/image/variants.

    python -m image.build --variant NAME     prints the file's path

They are made from the root of the last `make image` (or of --quick), signed with this build folder's key.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from image.box.update import verity
from image.build import bundle, keys, root, squash, wheels
from image.build.steps import BUILD, OUT, WORK, BuildError, digest, remove, run, step

FOLDER = BUILD / "variants"
TREE = WORK / "root"
LEVEL = 1
NEWER, OLDER = "0.2.0", "0.0.9"
SILENT_ENGINE = """[Service]
Type=notify
ExecStart=
ExecStart=/bin/sleep infinity
"""

NEXT_MIGRATION = """
MIGRATIONS = (
    *MIGRATIONS,
    (
        "CREATE TABLE of_the_next_version (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO of_the_next_version SELECT i, hex(randomblob(40)) FROM n",
        "ALTER TABLE calls ADD COLUMN of_the_next_version TEXT NOT NULL DEFAULT ''",
    ),
)
"""
"""Behind the product's own; it writes some megabytes, so that a power cut can meet it."""
SAYS = "/bin/sh -c 'echo \"test: {}\" > /dev/ttyS0'"
BEGINS = f"""[Unit]
Before=zongji-control.service

[Service]
Type=oneshot
ExecStart={SAYS.format("control")}
"""
"""Tells on the serial port that control is about to start. Control itself may open no device."""
CONFIRMS = f"""[Service]
ExecStartPre={SAYS.format("confirm")}
ExecStartPost={SAYS.format("confirmed")}
"""


def good() -> Path:
    """The next version, which works, and has one migration of the database more."""
    return _bundle("good", NEWER, _next)


def _next(tree: Path) -> None:
    units = tree / "usr/lib/systemd/system"
    (units / "test-begins.service").write_text(BEGINS, encoding="utf-8")
    _drop_in(tree, "control", "[Unit]\nWants=test-begins.service\n")
    _drop_in(tree, "confirm", CONFIRMS)
    store = tree / wheels.SITE.lstrip("/") / "appliance/store"
    migrations = store / "migrations.py"
    before, mark, after = migrations.read_text("utf-8").partition("\n\ndef version_of(")
    if not mark:
        raise BuildError(f"{migrations} has changed: the next version's migration finds no place in it")
    _anew(migrations, before + NEXT_MIGRATION + mark + after)
    wheels.compile_python(store, f"{wheels.SITE}/appliance/store")
    release = tree / "usr/lib/zongji/release"
    here = root.schema()
    _anew(release, release.read_text("utf-8").replace(f"SCHEMA={here}\n", f"SCHEMA={here + 1}\n"))


def _drop_in(tree: Path, service: str, text: str) -> None:
    place = tree / f"usr/lib/systemd/system/zongji-{service}.service.d/test.conf"
    place.parent.mkdir(parents=True)
    place.write_text(text, encoding="utf-8")


def _anew(path: Path, text: str) -> None:
    """Links to the image's own files: what is changed is written anew, never in place."""
    path.unlink()
    path.write_text(text, encoding="utf-8")


def older() -> Path:
    """A version before this one, which works: going back needs consent."""
    return _bundle("older", OLDER)


def silent() -> Path:
    """A version whose engine starts and never gets ready."""

    return _bundle("silent", NEWER, lambda tree: _drop_in(tree, "engine", SILENT_ENGINE))


def panic() -> Path:
    """A version whose kernel panics: its first program is missing."""

    def make(target: Path) -> None:
        tree = WORK / "panic"
        remove(tree)
        (tree / "boot").mkdir(parents=True)
        shutil.copy2(TREE / "boot/vmlinuz", tree / "boot/vmlinuz")
        empty = run(
            "sh", "-c", 'cpio --quiet -o -H newc < /dev/null | gzip -n > "$1"', "sh", tree / "boot/initrd.img"
        )
        if empty:
            raise BuildError(empty)
        squashfs = WORK / "panic.squashfs"
        squash.squashfs(tree, squashfs, LEVEL)
        bundle.make(squashfs, target, NEWER, "panic", keys.signer())
        remove(tree)

    return _kept("panic", "raucb", make)


def foreign() -> Path:
    """Well made, and signed by somebody else."""

    def make(target: Path) -> None:
        stranger = keys.development(FOLDER / "stranger", "Somebody else")
        bundle.make(_squashfs("good", NEWER, _next), target, NEWER, "foreign", stranger)

    return _kept("foreign", "raucb", make)


def wrong_product() -> Path:
    """For another product, with our signature."""

    def make(target: Path) -> None:
        bundle.make(
            _squashfs("good", NEWER, _next), target, NEWER, "other", keys.signer(), compatible="toaster-amd64"
        )

    return _kept("wrong-product", "raucb", make)


def wrong_hardware() -> Path:
    """For another hardware, with our signature."""

    def make(target: Path) -> None:
        bundle.make(
            _squashfs("good", NEWER, _next), target, NEWER, "other", keys.signer(), compatible="zongji-arm64"
        )

    return _kept("wrong-hardware", "raucb", make)


def too_large() -> Path:
    """Larger than a slot."""

    def make(target: Path) -> None:
        squashfs = WORK / "too-large.squashfs"
        shutil.copyfile(_squashfs("good", NEWER, _next), squashfs)
        os.truncate(squashfs, 600 << 20)
        bundle.make(squashfs, target, NEWER, "large", keys.signer())
        remove(squashfs)

    return _kept("too-large", "raucb", make)


def tampered() -> Path:
    """The good one with one byte of its payload changed."""

    def make(target: Path) -> None:
        shutil.copyfile(good(), target)
        with target.open("r+b") as file:
            file.seek(target.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 0x40]))

    return _kept("tampered", "raucb", make)


def truncated() -> Path:
    """The good one as a copy that stopped half-way leaves it."""

    def make(target: Path) -> None:
        shutil.copyfile(good(), target)
        os.truncate(target, target.stat().st_size // 2)

    return _kept("truncated", "raucb", make)


def unsigned() -> Path:
    """The good one without its signature: payload and hash tree alone."""

    def make(target: Path) -> None:
        parts = verity.layout(good())
        shutil.copyfile(good(), target)
        os.truncate(target, parts.payload + parts.tree)

    return _kept("unsigned", "raucb", make)


VARIANTS: dict[str, Callable[[], Path]] = {
    "good": good,
    "older": older,
    "silent": silent,
    "panic": panic,
    "foreign": foreign,
    "wrong-product": wrong_product,
    "wrong-hardware": wrong_hardware,
    "too-large": too_large,
    "tampered": tampered,
    "truncated": truncated,
    "unsigned": unsigned,
}


def variant(name: str) -> Path:
    """The file of a variant, made when it is missing or older than the image. Raises BuildError."""
    if name not in VARIANTS:
        raise BuildError(f"there is no variant {name!r}; there are {', '.join(VARIANTS)}")
    if not (OUT / "SHA256SUMS").is_file() or not TREE.is_dir():
        raise BuildError("there is no image yet: run `make image` first")
    return VARIANTS[name]()


def _key() -> str:
    return digest(OUT / "SHA256SUMS", Path(__file__), Path(bundle.__file__), keys.signer().certificate)


def _kept(name: str, suffix: str, make: Callable[[Path], None]) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}-{_key()}.{suffix}"
    if not path.exists():
        for old in FOLDER.glob(f"{name}-{'?' * 16}.{suffix}"):
            remove(old)
        part = FOLDER / f"part.{name}.{suffix}"
        with step(f"variant {name}.{suffix}"):
            make(part)
        part.rename(path)
    return path


def _bundle(name: str, number: str, change: Callable[[Path], None] | None = None) -> Path:
    def make(target: Path) -> None:
        bundle.make(_squashfs(name, number, change), target, number, name, keys.signer())

    return _kept(name, "raucb", make)


def _squashfs(name: str, number: str, change: Callable[[Path], None] | None = None) -> Path:
    """The root of the image under another version, changed."""

    def make(target: Path) -> None:
        tree = WORK / f"variant-{name}"
        remove(tree)
        run("cp", "-al", TREE, tree)
        release = tree / "usr/lib/zongji/release"
        _anew(
            release,
            release.read_text("utf-8").replace(f"VERSION={root.version()}\n", f"VERSION={number}\n"),
        )
        if change is not None:
            change(tree)
        squash.squashfs(tree, target, LEVEL)
        remove(tree)

    return _kept(name, "squashfs", make)
