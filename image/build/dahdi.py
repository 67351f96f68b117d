"""DAHDI's kernel modules from Debian's `dahdi-source`, compiled against a kernel's headers."""

from __future__ import annotations

import os
from pathlib import Path

from image.build.steps import run

ALL = ""
"""All drivers that DAHDI's own Kbuild names."""


def compile_dahdi(
    tree: Path,
    headers: Path,
    target: Path,
    release: str,
    objects: str = ALL,
    chroot: Path | None = None,
) -> None:
    """Compile and put stripped modules into `target`.

    tree: the unpacked source (its folder `modules/dahdi`); headers: the kernel's, as seen in
    the chroot where one is given; objects: the drivers wanted, such as "dahdi.o wctdm.o".
    """

    def inside(path: Path) -> Path:
        return Path("/") / path.relative_to(chroot) if chroot else path

    enter = ("chroot", chroot) if chroot else ()
    drivers = tree / "drivers" / "dahdi"
    if objects:
        with (drivers / "Kbuild").open("a", encoding="utf-8") as kbuild:
            kbuild.write(f"\nobj-m := {objects}\n")
    run(*enter, "make", "-C", inside(tree), "include/dahdi/version.h", f"KSRC={headers}", f"KVERS={release}")
    run(
        *enter,
        "make",
        "-C",
        headers,
        f"-j{os.cpu_count() or 1}",
        f"M={inside(drivers)}",
        f"DAHDI_INCLUDE={inside(tree / 'include')}",
        "DAHDI_MODULES_EXTRA= ",
        "HOTPLUG_FIRMWARE=yes",
        "DAHDI_BUILD_ALL=m",
        "modules",
    )
    target.mkdir(parents=True, exist_ok=True)
    for module in sorted(drivers.rglob("*.ko")):
        run("strip", "--strip-debug", "-o", target / module.name, module)
