"""Make the libraries of `dsp.native` from its C sources: `python -m dsp.native.build`.

A library of the same sources, compiler and flags is kept; they always give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

from dsp.native import FOLDER, LIBRARIES, sources

COMPILER = "gcc"
FLAGS = (
    *("-std=gnu11", "-O3", "-g0", "-fPIC", "-shared"),
    *("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wno-psabi"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"),
)
"""Nothing that changes results: no -ffast-math."""
WIDE = "-mavx2"
"""For eight lanes; what is not x86 has no such vectors, and no library of that kind."""


def build(target: Path, lanes: int, more: tuple[str, ...] = ()) -> bool:
    """Compile into `target`, with `more` flags; False when it is there already.

    Raises OSError when there is no compiler, CalledProcessError when it complains.
    """
    flags = (*FLAGS, f"-DLANES={lanes}", *((WIDE,) if lanes == 8 else ()), *more)
    environment = os.environ | {"LC_ALL": "C"}
    version = subprocess.run((COMPILER, "--version"), capture_output=True, check=True, env=environment).stdout
    how = hashlib.sha256(version + repr(flags).encode()).hexdigest()
    mark = f"made from {sources()} by {how}"
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)  # of a build that was ended
    if target.is_file() and mark.encode() in target.read_bytes():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    mains = sorted(path.name for path in FOLDER.glob("*.c"))
    command = (COMPILER, *flags, f'-DMARK="{mark}"', "-o", str(part), *mains, "-lm")
    subprocess.run(command, cwd=FOLDER, check=True)
    part.chmod(0o644)
    part.replace(target)
    return True


def main() -> int:
    """Build; 1 and one line of what to do when that fails."""
    try:
        for lanes, target in LIBRARIES.items():
            if lanes == 4 or platform.machine() == "x86_64":
                build(target, lanes)
    except FileNotFoundError:
        print(f"dsp.native: {COMPILER} is missing: apt-get install gcc libc6-dev", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"dsp.native: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
