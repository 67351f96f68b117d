"""The root of the box: Debian's part, the kernel, the Python packages, our own programs and files."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

from image.build import debian, initramfs, wheels
from image.build.steps import RECIPES, REPOSITORY, WORK, BuildError, cached, digest, remove, run

ROOMS = ("appliance", "board", "dsp", "webui", "image/__init__.py", "image/box", "recovery")
"""What of the repository is on the box."""
MADE = ("webui/static/vendor", "appliance/prompts/built", "appliance/store/built", "dsp/native/compiled")
"""Made by setup.sh and not in git."""
NOT_ON_THE_BOX = (".c", ".h")
"""What only a compiler reads."""

TRIM = debian.words((RECIPES / "build" / "trimmed.txt").read_text(encoding="utf-8"))

FOLDERS = ("boot/esp", "config", "data", "var", "tmp", "run", "proc", "sys", "dev", "root")


def version() -> str:
    """The product's version, from pyproject.toml."""
    return str(tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def schema() -> int:
    """Number of migrations of the database."""
    ask = "from appliance.store.migrations import MIGRATIONS; print(len(MIGRATIONS))"
    return int(run(sys.executable, "-c", ask, cwd=REPOSITORY))


def system() -> Path:
    """A tar of Debian's part with kernel and initramfs: what changes seldom."""
    base, kernel = debian.base(), debian.kernel()
    recipe = (
        Path(__file__),
        RECIPES / "build" / "initramfs.py",
        initramfs.INIT,
        RECIPES / "build" / "wheels.py",
        RECIPES / "build" / "trimmed.txt",
    )
    key = digest(base.name, kernel.name, *recipe)

    def make(target: Path) -> None:
        tree = WORK / "system"
        remove(tree)
        tree.mkdir(parents=True)
        run("tar", "-C", tree, "-xpf", base)
        _keep_package_list(tree)
        shutil.copytree(
            kernel / "lib" / "modules", tree / "usr" / "lib" / "modules", symlinks=True, dirs_exist_ok=True
        )
        initramfs.make(kernel, tree, kernel.parent / "initrd.img")
        trim(tree)
        shutil.copy2(kernel / "vmlinuz", tree / "boot" / "vmlinuz")
        shutil.move(kernel.parent / "initrd.img", tree / "boot" / "initrd.img")
        for name in ("copyright.linux", "copyright.dahdi", "copyright.grub", "versions.txt"):
            shutil.copy2(kernel / name, tree / "usr" / "share" / "doc" / name)
        for path in tree.joinpath("usr/lib/python3.11").rglob("__pycache__"):
            remove(path)
        wheels.compile_python(tree / "usr/lib/python3.11", "/usr/lib/python3.11")
        run("tar", "-C", tree, "--sort=name", "--numeric-owner", "-cpf", target, ".")
        remove(tree)

    return cached("system", key, make, ".tar")


def _keep_package_list(tree: Path) -> None:
    """Names, versions and licences for the bill of materials, before the package database goes."""
    listed = run(
        "dpkg-query",
        f"--admindir={tree / 'var/lib/dpkg'}",
        "-W",
        "-f=${Package}\t${Version}\t${source:Package}\n",
    )
    target = tree / "usr" / "share" / "doc" / "packages.tsv"
    target.write_text("".join(sorted(listed.splitlines(keepends=True))), encoding="utf-8")


def trim(tree: Path) -> None:
    """Take away what TRIM names, and make the folders that are mounted over."""
    for pattern in TRIM:
        for path in sorted(tree.glob(pattern)):
            remove(path)
    for folder in FOLDERS:
        (tree / folder).mkdir(parents=True, exist_ok=True)
    (tree / "tmp").chmod(0o1777)
    (tree / "root").chmod(0o700)
    for path in tree.glob("**/__pycache__"):
        remove(path)


def product_files() -> list[Path]:
    """Files of the repository that are on the box, relative to it; new ones count before a commit."""
    listed = run("git", "-C", REPOSITORY, "ls-files", "-co", "--exclude-standard", "-z", "--", *ROOMS)
    named = {Path(name) for name in listed.split("\0") if name and (REPOSITORY / name).is_file()}
    files = {path for path in named if path.suffix not in NOT_ON_THE_BOX}
    for folder in MADE:
        found = [path for path in (REPOSITORY / folder).rglob("*") if path.is_file()]
        if not found:
            raise BuildError(f"{folder} is missing: run ./setup.sh image")
        files |= {path.relative_to(REPOSITORY) for path in found}
    files |= {path.relative_to(REPOSITORY) for path in (REPOSITORY / "webui/translations").rglob("*.mo")}
    return sorted(files)


def build(target: Path, keyring: bytes, number: str | None = None) -> None:
    """The whole root in `target`. number: another version than the product's, for the tests of updates."""
    remove(target)
    target.mkdir(parents=True)
    run("tar", "-C", target, "-xpf", system())
    site = target / wheels.SITE.lstrip("/")
    site.parent.mkdir(parents=True)
    shutil.copytree(wheels.site_packages(), site, symlinks=True)
    _venv(target)
    _product(site, number or version())
    overlay(target)
    boot = target / "usr/lib/zongji/boot"
    boot.mkdir()
    for name in ("grub.cfg", "grub-stick.cfg"):
        shutil.copy2(RECIPES / "boot" / name, boot / name)
    (target / "etc/rauc/keyring.pem").write_bytes(keyring)
    (target / "usr/lib/zongji/release").write_text(
        f"PRODUCT=zongji\nHARDWARE=amd64\nVERSION={number or version()}\n"
        f"SCHEMA={schema()}\nBUILD={commit()}\n"
    )
    _settle(target)


def commit() -> str:
    """Short hash of the commit; with -changed when files differ from it."""
    found = run("git", "-C", REPOSITORY, "rev-parse", "--short=12", "HEAD").strip()
    changed = run("git", "-C", REPOSITORY, "status", "--porcelain", "--", *ROOMS, "image").strip()
    return f"{found}-changed" if changed else found


def _venv(target: Path) -> None:
    venv = target / "usr/lib/zongji/venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n"
    )
    (venv / "bin/python").symlink_to("/usr/bin/python3.11")
    (venv / "bin/python3").symlink_to("python")
    entry = venv / "bin/zongji"
    entry.write_text(
        "#!/usr/lib/zongji/venv/bin/python\nimport sys\n\n"
        "from appliance.cli.main import main\n\nsys.exit(main())\n"
    )
    entry.chmod(0o755)


def _product(site: Path, number: str) -> None:
    files = product_files()
    for path in files:
        place = site / path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / path, place)
        place.chmod(0o755 if os.access(REPOSITORY / path, os.X_OK) else 0o644)
    info = site / f"zongji-{number}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: zongji\nVersion: {number}\nLicense: Apache-2.0\n"
    )
    for room in {path.parts[0] for path in files}:
        wheels.compile_python(site / room, f"{wheels.SITE}/{room}")


def overlay(target: Path) -> None:
    """image/rootfs over the root; modes are those of git, 0644 and 0755."""
    for path in sorted((RECIPES / "rootfs").rglob("*")):
        place = target / path.relative_to(RECIPES / "rootfs")
        if path.is_symlink():
            place.unlink(missing_ok=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path.readlink())
        elif path.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            shutil.copyfile(path, place)
            place.chmod(0o755 if os.access(path, os.X_OK) else 0o644)


def _settle(target: Path) -> None:
    run("systemd-sysusers", f"--root={target}")
    run("chroot", target, "/bin/systemctl", "preset-all")
    overlay(target)  # the presets took away links that are ours, such as default.target
    for name in ("etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-", "etc/.pwd.lock"):
        remove(target / name)
    # The day a password was last changed is the day of the build otherwise.
    shadow = target / "etc/shadow"
    # "*": no password fits. Not "!", which would lock root out of remote support's keys, too.
    shadow.write_text(re.sub(r"(?m)^([^:]+):[^:]*:\d*:", r"\1:*:1:", shadow.read_text()))
    shadow.chmod(0o640)
    (target / "etc/machine-id").write_text("")
    (target / "etc/hostname").write_text("zongji\n")
    (target / "etc/hosts").write_text(
        "127.0.0.1 localhost zongji\n::1 localhost ip6-localhost ip6-loopback\n"
    )
    resolv = target / "etc/resolv.conf"
    resolv.unlink(missing_ok=True)
    resolv.symlink_to("/run/systemd/resolve/stub-resolv.conf")
    run("ldconfig", "-r", target)
    remove(target / "var/cache/ldconfig")
    for path in sorted((target / "var").iterdir()):
        remove(path)
