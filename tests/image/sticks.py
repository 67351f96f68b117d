"""USB sticks made by this machine: a FAT file system with files on it."""

from pathlib import Path

from tests.image.vm import run


def make_stick(at: Path, *files: Path, size_mb: int = 1024, label: str = "STICK") -> Path:
    """A stick without partitions, as cameras and people format them."""
    at.unlink(missing_ok=True)
    with at.open("wb") as image:
        image.truncate(size_mb << 20)
    run("mkfs.vfat", "-n", label, at)
    for file in files:
        run("mcopy", "-i", at, file, "::")
    return at


def read_file(stick: Path, name: str, offset: int = 0) -> str:
    """A text file of a stick (or of a partition that begins at `offset` of an image)."""
    return run("mtype", "-i", f"{stick}@@{offset}", f"::{name}")
