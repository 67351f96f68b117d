"""Files of this machine for the guest, as an archive that its kernel unpacks into memory.

All of them are in the guest's memory before the first program runs: no body waits for
this machine's disk, so nothing in there depends on how fast that is. A file that is
missing in the guest has to be named here.
"""

import compileall
import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from tests.guest.kernel_tree import REPOSITORY, BuildError, run

ROOMS = ("appliance", "board", "dsp", "image", "tests")
NOT_OURS = {"node_modules", "built"}
"""Folders of the rooms that stay here: large, and no body needs them."""
DISTRIBUTIONS = (
    *("cffi", "iniconfig", "numpy", "packaging", "pluggy", "pyalsaaudio", "pycparser", "pygments"),
    *("pyserial", "pytest", "pyudev", "pyyaml", "soundfile", "typing_extensions"),
)
"""What the bodies import, directly or not."""
NOT_STANDARD = {
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "ensurepip",
    "lib2to3",
}
INIT = Path(__file__).with_name("init.sh")
BUSYBOX = Path("/bin/busybox")
PROGRAMS = ("/bin/sh", "/sbin/modprobe")
"""All others are busybox's."""
DATA = ("/usr/share/alsa", "/usr/share/asterisk/sounds/en_US_f_Allison")
LOADED = ("libudev.so.1", "libgcc_s.so.1")
"""Libraries that are loaded by name, so that no file tells of them."""
ELF = b"\x7fELF"


class Archive:
    """Names of files, each with all folders and links on its way."""

    def __init__(self):
        self._names = {}

    def add(self, path):
        """One file, folder (without what is in it) or link (with where it leads)."""
        path = Path(path)
        if path in self._names:
            return
        for above in reversed(path.parents[:-1]):
            if above.is_symlink():
                self._link(above)
                self.add(above.resolve() / path.relative_to(above))
                return
            self._names[above] = None
        if not path.exists():
            raise BuildError(f"{path} is missing: run ./setup.sh guest")
        if path.is_symlink():
            self._link(path)
        self._names[path] = None

    def _link(self, path):
        if path not in self._names:
            self._names[path] = None
            self.add(path.parent / path.readlink())

    def add_all(self, folder, without=frozenset()):
        """What is in a folder, but not what has one of these names, nor links that lead nowhere."""
        for above, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if name not in without]
            self.add(above)
            for name in files:
                path = Path(above) / name
                if path.exists():
                    self.add(path)

    def add_libraries(self):
        """What the programs and modules in it are linked with."""
        machine_code = []
        for path in self._names:
            if (
                path.is_file()
                and not path.is_symlink()
                and (path.suffix == ".so" or os.access(path, os.X_OK))
            ):
                with path.open("rb") as file:
                    if file.read(4) == ELF:
                        machine_code.append(path)
        for line in run("ldd", *machine_code).splitlines():
            name, _, rest = line.strip().partition(" => ")
            found = (rest or name).partition(" (")[0]
            if found.startswith("/") and not found.endswith(":"):
                self.add(os.path.normpath(found))

    def names(self):
        """All names, without the leading slash, folders before what is in them."""
        return [str(path)[1:] for path in sorted(self._names)]


def write_root(target, tree):
    """Everything that the guest has: the kernel's modules, and what comes from this machine."""
    with tempfile.TemporaryDirectory(prefix="guest-") as folder:
        first = Path(folder)
        shutil.copy2(INIT, first / "init")
        (first / "init").chmod(0o755)
        shutil.copy2(BUSYBOX, first / "busybox")
        pack(first, ["init", "busybox"], target)
    pack(tree.root, [str(path.relative_to(tree.root)) for path in sorted(tree.root.rglob("*"))], target)
    archive = Archive()
    archive.add(sys.executable)
    archive.add(Path(sys.prefix) / "pyvenv.cfg")
    archive.add_all(sysconfig.get_path("stdlib"), NOT_STANDARD)
    for name in DISTRIBUTIONS:
        for file in importlib.metadata.files(name) or ():
            # Scripts are not needed, and compiled modules need not be there.
            if {"..", "tests"}.isdisjoint(file.parts) and (path := Path(str(file.locate()))).exists():
                archive.add(path)
    for room in ROOMS:
        compileall.compile_dir(REPOSITORY / room, quiet=1)
        archive.add_all(REPOSITORY / room, NOT_OURS)
    for path in PROGRAMS:
        archive.add(path)
    for folder in DATA:
        archive.add_all(folder)
    for line in run("/sbin/ldconfig", "-p").splitlines():
        name, _, path = line.strip().partition(" => ")
        if name.partition(" (")[0] in LOADED and "x86-64" in name:
            archive.add(path)
    archive.add_libraries()
    pack(Path("/"), archive.names(), target)


def pack(folder, names, target):
    """Append an archive of these files of a folder; what contains must come before what is contained."""
    with target.open("ab") as file:
        done = subprocess.run(
            ["cpio", "--quiet", "--null", "-o", "-H", "newc"],
            input="\0".join(names).encode(),
            cwd=folder,
            stdout=file,
            stderr=subprocess.PIPE,
            check=False,
        )
    if done.returncode:
        raise BuildError(f"cpio failed: {done.stderr.decode()[-2000:]}")
