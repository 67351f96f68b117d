"""Debian's kernel with DAHDI's modules, for the guest: built once per package version under build/guest/.

Nothing is installed on this machine: the kernel package is fetched and unpacked,
the modules are compiled from Debian's own `dahdi-source` against its headers.
"""

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from image.build import dahdi as builder
from image.build.dahdi import compile_dahdi
from image.build.steps import BuildError, run

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "build" / "guest"
SOURCE = Path("/usr/src/dahdi.tar.bz2")

DAHDI_OBJECTS = "dahdi.o dahdi_dynamic.o dahdi_dynamic_loc.o wctdm.o wcfxo.o"
"""The core, the looped spans, and two card drivers that need no firmware (loading them is a test)."""

RECIPES = (__file__, builder.__file__)
OF_THE_KERNEL = ("snd-aloop", "dummy_hcd", "usb_f_acm", "cdc_acm", "crc_ccitt")
"""Modules of Debian's kernel that are wanted (DAHDI's need the last); what they need comes with them."""


@dataclass(frozen=True)
class KernelTree:
    """What a guest boots from."""

    folder: Path
    release: str

    @property
    def kernel(self) -> Path:
        """The kernel image."""
        return self.folder / "vmlinuz"

    @property
    def root(self) -> Path:
        """Its modules, where a root file system has them."""
        return self.folder / "root"


def installed(package, field="Version"):
    """A field of an installed Debian package."""
    try:
        found = run("dpkg-query", "-W", f"-f=${{Status}}\t${{{field}}}", package)
    except BuildError as error:
        raise BuildError(f"the package {package} is missing: run ./setup.sh guest") from error
    status, _, value = found.partition("\t")
    if status != "install ok installed":
        raise BuildError(f"the package {package} is missing: run ./setup.sh guest")
    return value


def kernel_tree():
    """The tree for the installed package versions, built when it is missing."""
    depends = installed("linux-headers-amd64", "Depends")
    found = re.match(r"linux-headers-(\S+-amd64) \(= (\S+)\)", depends)
    if found is None:
        raise BuildError(f"linux-headers-amd64 depends on {depends!r}, which this does not understand")
    release, version = found.groups()
    dahdi = installed("dahdi-source")
    for package in ("qemu-system-x86", "busybox-static", "kmod", "cpio"):
        installed(package)
    recipe = hashlib.sha256(b"".join(Path(one).read_bytes() for one in RECIPES)).hexdigest()[:8]
    name = re.sub(r"[^A-Za-z0-9.+-]", "_", f"linux-{version}-dahdi-{dahdi}-{recipe}")
    folder = FOLDER / name
    if not folder.is_dir():
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER, prefix="making-") as work:
            made = Path(work) / "tree"
            (made / "root" / "usr" / "lib").mkdir(parents=True)
            (made / "root" / "lib").symlink_to("usr/lib")
            _unpack_kernel(Path(work), made, release, version)
            _compile_dahdi(Path(work), made / "root", release)
            made.rename(folder)
        for old in FOLDER.glob("linux-*"):
            if old != folder:
                shutil.rmtree(old)
    return KernelTree(folder, release)


def _unpack_kernel(work, made, release, version):
    package = f"linux-image-{release}"
    try:
        run("apt-get", "download", "-q", f"{package}={version}", cwd=work)
    except BuildError as error:
        raise BuildError(
            f"{error}\n{package} {version}, the kernel of the installed headers, cannot be fetched: run "
            "apt-get update, and apt-get install linux-headers-amd64 if there is a newer one"
        ) from error
    (archive,) = work.glob(f"{package}_*.deb")
    image = work / "image"
    run("dpkg-deb", "-x", archive, image)
    shutil.move(image / "boot" / f"vmlinuz-{release}", made / "vmlinuz")
    run("depmod", "-b", image, release)
    target = made / "root" / "lib" / "modules" / release
    target.mkdir(parents=True)
    for name in (image / "lib" / "modules" / release).glob("modules.*"):
        shutil.copy2(name, target)
    for module in OF_THE_KERNEL:
        listed = run("modprobe", "-d", image, "-S", release, "--show-depends", module)
        for line in listed.splitlines():
            kind, _, path = line.strip().partition(" ")
            if kind == "insmod":
                own = Path(path).relative_to(image)
                (made / "root" / own).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, made / "root" / own)


def _compile_dahdi(work, root, release):
    if not SOURCE.is_file():
        raise BuildError(f"{SOURCE} is missing: run ./setup.sh guest")
    run("tar", "-xjf", SOURCE, cwd=work)
    modules = root / "lib" / "modules" / release / "updates"
    headers = Path("/usr/src") / f"linux-headers-{release}"
    compile_dahdi(work / "modules" / "dahdi", headers, modules, release, DAHDI_OBJECTS)
    run("depmod", "-b", root, release)
