"""The Python packages of requirements.lock as one folder, compiled and ready to be copied into the root."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from image.build.steps import REPOSITORY, cached, digest, remove, run, source_date

LOCK = REPOSITORY / "requirements.lock"
SITE = "/usr/lib/zongji/venv/lib/python3.11/site-packages"

NOT_ON_THE_BOX = ("pip", "setuptools", "supervisor")
"""Of the lock: pip and setuptools build packages, supervisor is systemd's stand-in for `make run`."""

TRIMMED = (
    "bin",
    "numpy/**/tests",
    "numpy/f2py",
    "numpy/_core/include",
    "numpy/**/*.pyi",
    "numpy/**/*.a",
    "phonenumbers/carrierdata",
    "phonenumbers/tzdata",
    "pycparser",
    "cffi/*.h",
    "tzdata",
)
"""Of the packages: their own tests, compilers' matter, and data that nothing reads (Debian has tzdata)."""
BABEL_LOCALES = ("root", "en", "zh")
"""Languages of Babel's data that are kept, with their countries' variants."""


def pinned(lock: str) -> dict[str, str]:
    """Name -> version of what the lock names and the box carries."""
    found = dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s\\]+)", lock, re.MULTILINE))
    return {name: version for name, version in found.items() if name not in NOT_ON_THE_BOX}


def site_packages() -> Path:
    """The folder, made once per lock file."""
    key = digest(LOCK, Path(__file__), sys.version)
    return cached("python-packages", key, _make)


def _make(target: Path) -> None:
    wheels = target.with_name("part.wheels")
    remove(wheels)
    environment = {"SOURCE_DATE_EPOCH": source_date(), "CFLAGS": "-O2 -g0", "PYTHONHASHSEED": "0"}
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    try:
        run(
            *pip,
            "wheel",
            "--require-hashes",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            wheels,
            "-r",
            LOCK,
            env=environment,
        )
        names = [f"{name}=={version}" for name, version in pinned(LOCK.read_text("utf-8")).items()]
        run(
            *pip, "install", "--no-index", "--find-links", wheels, "--no-deps", "--no-compile",
            "--target", target, *names, env=environment,
        )  # fmt: skip
    finally:
        remove(wheels)
    for pattern in TRIMMED:
        for path in sorted(target.glob(pattern)):
            remove(path)
    for path in (target / "babel" / "locale-data").glob("*.dat"):
        if re.split(r"[_.]", path.name)[0] not in BABEL_LOCALES:
            path.unlink()
    for path in target.rglob("__pycache__"):
        remove(path)
    for path in target.rglob("*.so"):
        run("strip", "--strip-unneeded", path) if _is_ours(path) else None
    compile_python(target, SITE)


def _is_ours(path: Path) -> bool:
    """Whether it was compiled here: wheels from outside stay as they are, their hashes are in RECORD."""
    return path.name.startswith(("alsaaudio", "_journal", "_daemon", "_reader", "id128", "login"))


def compile_python(folder: Path, seen_as: str) -> None:
    """Compile to .pyc that never look at a file's time: all files of a squashfs bear the same one."""
    run(
        "/usr/bin/python3",
        "-m",
        "compileall",
        "-q",
        "-f",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        folder,
        "-p",
        seen_as,
        folder,
        env={"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": source_date()},
    )
    for path in folder.rglob("__pycache__"):
        path.chmod(0o755)
