"""The signed update bundle: a RAUC verity bundle with one root and the check that is run before writing."""

from __future__ import annotations

import shutil
from pathlib import Path

from image.build.keys import Signer
from image.build.steps import RECIPES, WORK, remove, run

MANIFEST = """[update]
compatible={compatible}
version={version}
build={build}

[bundle]
format=verity

[hooks]
filename=install-check.sh
hooks=install-check

[image.rootfs]
filename=rootfs.squashfs
"""


def make(
    squashfs: Path, target: Path, version: str, build: str, signer: Signer, compatible: str = "zongji-amd64"
) -> None:
    """Write the bundle for this root."""
    folder = WORK / "bundle"
    remove(folder)
    folder.mkdir(parents=True)
    place = folder / "rootfs.squashfs"
    try:
        place.hardlink_to(squashfs)
    except OSError:
        shutil.copyfile(squashfs, place)
    check = (RECIPES / "build" / "install-check.sh").read_text("utf-8")
    hook = folder / "install-check.sh"
    hook.write_text(check.replace("@SIZE_BYTES@", str(squashfs.stat().st_size)), encoding="utf-8")
    hook.chmod(0o755)
    (folder / "manifest.raucm").write_text(
        MANIFEST.format(compatible=compatible, version=version, build=build)
    )
    remove(target)
    run(
        "rauc", "bundle", f"--cert={signer.certificate}", f"--key={signer.key}",
        f"--keyring={signer.authorities}", folder, target,
    )  # fmt: skip
    remove(folder)
