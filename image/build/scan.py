"""What must not be in an image: a password, a private key, a box's own identity, a compiler.

python -m image.build.scan FOLDER
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

PRIVATE_KEY = re.compile(
    rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s:,-]{64}|AGE-SECRET-KEY-1[A-Z0-9]{20}"
)
"""A key's beginning and real key material behind it; a program that knows the marker is no key."""
LOCKED = ("*", "!", "!!", "!*", "!!*")
COMPILERS = re.compile(
    r"^(?:cc|gcc|g\+\+|c\+\+|cpp|clang|tcc|as|ld|ld\.(?:bfd|gold)|make|perl|gdb)(?:-[\d.]+)?$"
)
BIN = ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/lib/zongji/venv/bin")
OWN = ("etc/machine-id", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "etc/hostid")
PUBLISHED = re.compile(r"^usr/lib/x86_64-linux-gnu/libgnutls\.so\.30[.\d]*$")
"""Files of Debian with keys that everybody knows: GnuTLS carries those of its self-tests."""
SETUID = {
    "usr/bin/su", "usr/bin/mount", "usr/bin/umount", "usr/bin/passwd", "usr/bin/newgrp",
    "usr/bin/chsh", "usr/bin/chfn", "usr/bin/gpasswd", "usr/bin/chage", "usr/bin/expiry",
    "usr/sbin/unix_chkpwd", "usr/bin/ssh-agent", "usr/lib/dbus-1.0/dbus-daemon-launch-helper",
    "usr/lib/openssh/ssh-keysign", "usr/bin/wall", "usr/bin/write", "usr/bin/write.ul",
    "usr/bin/crontab", "usr/bin/dotlockfile",
}  # fmt: skip
"""Programs of Debian that run with another user's rights; a new one is looked at before it ships."""


def findings(root: Path) -> Iterator[str]:
    """One sentence for each thing that must go."""
    yield from _passwords(root)
    for name in OWN:
        path = root / name
        if path.exists() and path.read_bytes().strip():
            yield f"{name} is filled: every box would have the same"
    for folder in BIN:
        for path in sorted((root / folder).glob("*")):
            if COMPILERS.match(path.name):
                yield f"{folder}/{path.name}: a compiler"
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        name = path.relative_to(root).as_posix()
        if name.startswith(("etc/ssh/ssh_host_", "root/.ssh")):
            yield f"{name}: a key of this machine"
        if path.stat().st_mode & 0o6000 and name not in SETUID:
            yield f"{name} runs with another user's rights and is not in the list of image/build/scan.py"
        if not PUBLISHED.match(name) and _holds_private_key(path):
            yield f"{name} holds a private key"


def _passwords(root: Path) -> Iterator[str]:
    for name in ("etc/shadow", "etc/passwd", "etc/gshadow"):
        path = root / name
        if not path.is_file():
            continue
        for line in path.read_text("utf-8").splitlines():
            fields = line.split(":")
            hidden = name == "etc/passwd" and fields[1] == "x"
            if not hidden and fields[1] not in LOCKED and not (name == "etc/gshadow" and fields[1] == ""):
                yield (
                    f"{name}: {fields[0]} has a password"
                    if fields[1]
                    else f"{name}: {fields[0]} needs no password"
                )


def _holds_private_key(path: Path) -> bool:
    if path.stat().st_size > 32 << 20:
        return False
    content = path.read_bytes()
    return b"KEY-" in content and PRIVATE_KEY.search(content) is not None


def main() -> int:
    """Print what is found; 1 when there is something."""
    found = list(findings(Path(sys.argv[1])))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
