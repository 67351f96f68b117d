"""The first programs after the kernel: busybox, findfs, drivers for disks, and image/boot/init.sh."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tempfile
from pathlib import Path

from image.build.steps import RECIPES, BuildError, run

INIT = RECIPES / "boot" / "init.sh"

MODULES = (
    *("squashfs", "ext4", "vfat"),
    *("ahci", "ata_piix", "ata_generic", "nvme", "sd_mod", "virtio_blk", "virtio_pci", "virtio_scsi"),
    *("usb_storage", "uas", "xhci_pci", "ehci_pci", "uhci_hcd", "ohci_pci"),
    *("mmc_block", "sdhci_pci", "sdhci_acpi"),
)
"""File systems and what disks hang on; each with what it depends on."""

PROGRAMS = ("/sbin/findfs",)


def module_files(kernel: Path, release: str) -> list[Path]:
    """The files of MODULES and of what they depend on, relative to the kernel's folder."""
    folder = kernel / "lib" / "modules" / release
    needs: dict[str, list[str]] = {}
    for line in (folder / "modules.dep").read_text(encoding="utf-8").splitlines():
        name, _, more = line.partition(":")
        needs[name] = more.split()
    by_name = {Path(path).name.partition(".ko")[0].replace("-", "_"): path for path in needs}
    built_in = {
        Path(line).name.partition(".ko")[0].replace("-", "_")
        for line in (folder / "modules.builtin").read_text(encoding="utf-8").splitlines()
    }
    wanted: set[str] = set()
    for name in MODULES:
        if name in by_name:
            wanted |= {by_name[name], *needs[by_name[name]]}
        elif name not in built_in:
            raise BuildError(
                f"kernel {release} has no module {name}: look at image/build/modules-dropped.txt"
            )
    soft = ("crc32c_generic", "crc32c_intel", "crc16", "libcrc32c", "nls_ascii", "nls_cp437")
    for name in soft:
        if name in by_name:
            wanted |= {by_name[name], *needs[by_name[name]]}
    return [Path("lib") / "modules" / release / path for path in sorted(wanted)]


def make(kernel: Path, root: Path, target: Path) -> None:
    """Write the compressed archive. kernel: folder with lib/modules; root: where programs are taken from."""
    (release,) = (path.name for path in (kernel / "lib" / "modules").iterdir())
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        for folder in ("bin", "etc", "lib64"):
            (tree / folder).mkdir(parents=True)
        shutil.copy2(root / "bin" / "busybox", tree / "bin" / "busybox")
        shutil.copy2(INIT, tree / "init")
        (tree / "init").chmod(0o755)
        for program in PROGRAMS:
            _copy_with_libraries(root, program, tree)
        for path in module_files(kernel, release):
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(kernel / path, tree / path)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy2(kernel / "lib" / "modules" / release / name, tree / "lib" / "modules" / release)
        run("depmod", "-b", tree, release)
        run("find", tree, "-exec", "touch", "-h", "-d", "@0", "{}", "+")
        names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
        archive = subprocess.run(
            ["cpio", "--quiet", "--reproducible", "-o", "-H", "newc", "-R", "0:0"],
            input="\n".join(names).encode(),
            cwd=tree,
            stdout=subprocess.PIPE,
            check=True,
        )
        target.write_bytes(gzip.compress(archive.stdout, 9, mtime=0))


def _copy_with_libraries(root: Path, program: str, tree: Path) -> None:
    shutil.copy2(root / program.lstrip("/"), tree / "bin" / Path(program).name)
    listed = run("chroot", root, "/lib64/ld-linux-x86-64.so.2", "--list", program)
    for line in listed.splitlines():
        words = line.replace("=>", " ").split()
        path = next((word for word in reversed(words) if word.startswith("/")), None)
        if path is not None:
            target = tree / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path.lstrip("/"), target)
