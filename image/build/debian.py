"""What comes from Debian: the base root; kernel, DAHDI's modules and GRUB's. Each is made once and kept."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from image.build.steps import RECIPES, BuildError, cached, digest, remove, run, source_date

SUITE = "bookworm"
MIRROR = os.environ.get("ZONGJI_DEBIAN_MIRROR", "http://deb.debian.org")
"""Where Debian packages come from; a snapshot's address gives yesterday's versions again."""

PACKAGES = (RECIPES / "build" / "packages.txt").read_text(encoding="utf-8")
DROPPED_MODULES = (RECIPES / "build" / "modules-dropped.txt").read_text(encoding="utf-8")

EXCLUDED = (
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/doc/*",
    "/usr/share/lintian/*",
    "/usr/share/bug/*",
)
"""Kept out when packages are unpacked; the copyright files are kept (see INCLUDED)."""
INCLUDED = ("/usr/share/doc/*/copyright",)

FETCH_KERNEL = (
    "cd /usr/src && for headers in linux-headers-*-amd64; do "
    "cd /root && apt-get download -q linux-image-${headers#linux-headers-}; done"
)
"""The kernel is unpacked, not installed: no boot loader and no initramfs of Debian's is wanted."""


GRUB = ("grub-pc-bin", "grub-efi-amd64-bin")
"""Its modules, of which the boot loader is made."""


def words(text: str) -> list[str]:
    """The words of a list file, without its comments."""
    return [word for line in text.splitlines() for word in line.partition("#")[0].split()]


def sources() -> list[str]:
    """The lines for apt."""
    return [
        f"deb {MIRROR}/debian {SUITE} main",
        f"deb {MIRROR}/debian {SUITE}-updates main",
        f"deb {MIRROR}/debian-security {SUITE}-security main",
    ]


def mmdebstrap(variant: str, packages: list[str], target: Path, *options: str) -> None:
    """A Debian root with these packages and what they depend on, recommends left out."""
    run(
        "mmdebstrap",
        "--mode=root",
        f"--variant={variant}",
        f"--include={','.join(packages)}",
        '--aptopt=Apt::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude={path}" for path in EXCLUDED),
        *(f"--dpkgopt=path-include={path}" for path in INCLUDED),
        *options,
        SUITE,
        target,
        *sources(),
        env={"SOURCE_DATE_EPOCH": source_date()},
    )


def base() -> Path:
    """The tar of Debian's part of the root."""

    def make(target: Path) -> None:
        mmdebstrap("essential", words(PACKAGES), target, "--format=tar")

    return cached("debian-root", digest(PACKAGES, *sources(), repr(EXCLUDED)), make, ".tar")


def kernel() -> Path:
    """A folder with vmlinuz, lib/modules/RELEASE (DAHDI's among them), GRUB's modules in grub/PLATFORM, and
    versions.txt."""
    recipe = (Path(__file__), RECIPES / "build" / "dahdi.py")
    key = digest(*sources(), DROPPED_MODULES, *recipe)
    return cached("kernel", key, _make_kernel)


def _make_kernel(target: Path) -> None:
    chroot = target.with_name("chroot")
    remove(chroot)
    try:
        packages = ["linux-headers-amd64", "build-essential", "dahdi-source", "bzip2", "kmod", *GRUB]
        mmdebstrap("apt", packages, chroot, f"--customize-hook=chroot \"$1\" sh -c '{FETCH_KERNEL}'")
        _fill_kernel(chroot, target)
    finally:
        remove(chroot)


def _fill_kernel(chroot: Path, target: Path) -> None:
    from image.build.dahdi import compile_dahdi

    def version(package: str) -> str:
        return run("chroot", chroot, "dpkg-query", "-W", "-f=${Version}", package).strip()

    headers = sorted(chroot.glob("usr/src/linux-headers-*-amd64"))
    if len(headers) != 1:
        raise BuildError(f"one kernel's headers were expected, found {[path.name for path in headers]}")
    release = headers[0].name.removeprefix("linux-headers-")
    (archive,) = (chroot / "root").glob(f"linux-image-{release}_*.deb")
    run("dpkg-deb", "-x", archive, chroot / "tmp" / "image")
    unpacked = chroot / "tmp" / "image"
    target.mkdir(parents=True)
    shutil.copy2(unpacked / "boot" / f"vmlinuz-{release}", target / "vmlinuz")
    modules = target / "lib" / "modules" / release
    shutil.copytree(unpacked / "lib" / "modules" / release, modules, symlinks=True)
    for pattern in words(DROPPED_MODULES):
        for path in sorted(modules.glob(pattern)):
            remove(path)
    source = chroot / "tmp" / "dahdi"
    source.mkdir()
    run("tar", "-C", source, "-xjf", chroot / "usr" / "src" / "dahdi.tar.bz2")
    compile_dahdi(
        source / "modules" / "dahdi",
        Path("/usr/src") / f"linux-headers-{release}",
        modules / "updates",
        release,
        chroot=chroot,
    )
    (modules / "build").unlink(missing_ok=True)
    (modules / "source").unlink(missing_ok=True)
    run("depmod", "-b", target, release)
    copyright_file = unpacked / "usr" / "share" / "doc" / f"linux-image-{release}" / "copyright"
    shutil.copy2(copyright_file, target / "copyright.linux")
    dahdi_copyright = chroot / "usr" / "share" / "doc" / "dahdi-source" / "copyright"
    shutil.copy2(dahdi_copyright, target / "copyright.dahdi")
    for platform in ("i386-pc", "x86_64-efi"):
        shutil.copytree(chroot / "usr" / "lib" / "grub" / platform, target / "grub" / platform)
    shutil.copy2(chroot / "usr" / "share" / "doc" / GRUB[0] / "copyright", target / "copyright.grub")
    image_version = re.sub(r"^.*_(.*)_.*$", r"\1", archive.name).replace("%3a", ":")
    (target / "versions.txt").write_text(
        f"linux-image-{release} {image_version}\n"
        + "".join(f"{package} {version(package)}\n" for package in ("dahdi-source", *GRUB)),
        encoding="utf-8",
    )
