"""`make image`: builds everything that is flashed, brought as an update, or put on a stick.

python -m image.build              the release's set of files in build/image/out
python -m image.build --quick      the same, compressed lightly, the disk image not packed
python -m image.build --check      builds the root a second time from nothing kept, and compares the hashes
python -m image.build --if-changed only when there is none of these sources yet; says one line
python -m image.build --variant V  one of the bundles and images that the tests need (see variants.py)
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from contextlib import redirect_stdout

from image.build import bom, bundle, disk, keys, root, scan, squash, variants, wheels
from image.build.steps import (
    BUILD,
    OUT,
    RECIPES,
    REPOSITORY,
    WORK,
    BuildError,
    alone,
    beside_users,
    digest,
    in_use,
    nothing_kept,
    remove,
    require_room,
    require_root,
    run,
    source_date,
    step,
)

MADE_OF = BUILD / "made-of"
"""Key of the sources of what lies in OUT."""


def sources() -> str:
    """A key of all that the image is made of, besides Debian's packages."""
    files = [REPOSITORY / path for path in root.product_files()]
    locks = (
        REPOSITORY / "requirements.lock",
        REPOSITORY / "package-lock.json",
        REPOSITORY / "pyproject.toml",
    )
    return digest("\n".join(map(str, files)), files, RECIPES, *locks, keys.signer().certificate)


def up_to_date() -> bool:
    """Was OUT made of these sources?"""
    return MADE_OF.is_file() and MADE_OF.read_text() == sources()


def build_if_changed(quick: bool) -> None:
    """All steps, without their words, unless OUT was made of the same sources. Who tests it is not waited
    for where there is nothing to build."""
    with in_use():
        if up_to_date():
            return
    with alone():
        if not up_to_date():  # another build may have come first
            _build_in_one_line(quick)


def _build_in_one_line(quick: bool) -> None:
    began, said = time.monotonic(), io.StringIO()
    try:
        with redirect_stdout(said):
            build(quick, check=False)
    except BaseException:
        print(said.getvalue(), file=sys.stderr)
        raise
    print(f"image: built in {time.monotonic() - began:.0f} s")


def build(quick: bool, check: bool) -> None:
    """All steps."""
    began = time.monotonic()
    require_room()
    OUT.mkdir(parents=True, exist_ok=True)
    remove(MADE_OF)
    for left in OUT.iterdir():
        remove(left)  # one set of files: nothing of an earlier build gets a checksum among them
    WORK.mkdir(parents=True, exist_ok=True)
    signer = keys.signer()
    number = root.version()
    print(f"Zongji {number} from {root.commit()}, dated {source_date()}, signed by {_who(signer)}")
    tree = WORK / "root"
    root.system()
    wheels.site_packages()
    with step("root: Debian, Python packages, our programs"):
        root.build(tree, keys.keyring())
    with step("scan: passwords, keys, compilers"):
        found = list(scan.findings(tree))
        if found:
            raise BuildError("this must not be in an image:\n  " + "\n  ".join(found))
    squashfs = WORK / "rootfs.squashfs"
    with step("squashfs"):
        total = squash.squashfs(tree, squashfs, 1 if quick else 9)
    if check:
        print("  a second time, from nothing kept")
        with nothing_kept():
            root.system()
            root.build(WORK / "root-again", keys.keyring())
            again = squash.squashfs(WORK / "root-again", WORK / "again.squashfs", 1 if quick else 9)
        if again != total:
            raise BuildError(f"two builds differ: {total} and {again} (build/image/work/root and root-again)")
        print(f"  the same squashfs: {again}")
        remove(WORK / "root-again")
        remove(WORK / "again.squashfs")
    with step("bill of materials"):
        bom.write(tree, OUT / f"zongji-{number}.cdx.json", number, total)
    raucb = OUT / f"zongji-{number}.raucb"
    with step("update bundle"):
        bundle.make(squashfs, raucb, number, root.commit(), signer)
    image = OUT / f"zongji-{number}-amd64.img"
    with step("disk image"):
        disk.disk_image(squashfs, image)
    stick = OUT / f"zongji-recovery-stick-{number}.img"
    with step("recovery stick"):
        disk.stick_image(squashfs, raucb, stick)
    if not quick:
        with step("packing the disk image"):
            run("xz", "--keep", "--force", "-0", "-T0", image)
    with step("checksums"):
        files = sorted(path for path in OUT.glob(f"zongji*{number}*") if path.is_file())
        (OUT / "SHA256SUMS").write_text("".join(f"{squash.sha256(path)}  {path.name}\n" for path in files))
    MADE_OF.write_text(sources())
    print(f"squashfs sha256 {total}")
    for path in files:
        print(f"  {path.stat().st_size / 1e6:8.1f} MB  {path.relative_to(REPOSITORY)}")
    print(f"  {time.monotonic() - began:.0f} s in all")


def _who(signer: keys.Signer) -> str:
    return (
        "this build folder's development key"
        if signer.development
        else f"the release key ({signer.certificate})"
    )


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m image.build", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="compress lightly, do not pack the disk image")
    parser.add_argument(
        "--if-changed", action="store_true", help="only when OUT was not made of these sources; hardly a word"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="make the root again, from nothing kept, and compare the hashes",
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME",
        help=f"make one of {', '.join(variants.VARIANTS)}",
    )
    args = parser.parse_args()
    try:
        require_root()
        if args.variant:
            with beside_users():
                for name in args.variant:
                    print(variants.variant(name))
        elif args.if_changed:
            build_if_changed(args.quick)
        else:
            with alone():
                build(args.quick, args.check)
    except BuildError as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
