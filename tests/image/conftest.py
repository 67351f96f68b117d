import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from image.build.steps import in_use
from tests.image.livebox import Box
from tests.image.sticks import make_stick
from tests.image.vm import Vm, overlay

REPOSITORY = Path(__file__).resolve().parents[2]
FIGURES = pytest.StashKey[dict]()
NEED_BYTES = 8 * 10**9
"""What disks of machines take while the tests run: 6.6 GB were measured."""

if "ZONGJI_IMAGE" not in os.environ:
    # `make test-image` runs these; `make test` needs no QEMU; nor does tests/image/box.
    collect_ignore_glob = ["test_*.py"]


@dataclass(frozen=True)
class Built:
    """What `make image` has made."""

    image: Path
    stick: Path
    version: str

    def variant(self, name: str) -> Path:
        """A bundle for the tests (image/build/variants.py), made when it is missing."""
        as_root = () if os.geteuid() == 0 else ("sudo",)
        done = subprocess.run(
            [*as_root, sys.executable, "-m", "image.build", "--variant", name],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return Path(done.stdout.splitlines()[-1])


@dataclass(frozen=True)
class Ready:
    """A box that was started once, claimed, and saved while it takes calls."""

    disk: Path
    key: Path

    @property
    def code(self) -> str:
        """The code that claimed it."""
        return (self.disk.parent / "code").read_text()

    def resume(self, folder: Path, **how) -> Box:
        """Such a box, going on from where it was saved; what it does stays in `folder`."""
        disk = Path(shutil.copy2(self.disk, folder / "disk.qcow2"))
        box = Box(Vm(disk, snapshot="ready", **how), self.key)
        box.sign_in()
        return box

    def start(self, folder: Path, **how) -> Box:
        """Such a box, started from power on."""
        disk = folder / "disk.qcow2"
        if not disk.exists():
            overlay(self.disk, disk)
        return Box(Vm(disk, **how), self.key)


@pytest.fixture(scope="session")
def figures(request):
    """Measured values, shown at the end."""
    return request.config.stash.setdefault(FIGURES, {})


@pytest.fixture(scope="session")
def room(tmp_path_factory):
    """Ends the run at once where the disks of machines do not fit: later they would be found damaged."""
    require_room(tmp_path_factory.getbasetemp())


def require_room(folder: Path) -> None:
    """End the run when the disks of machines do not fit into a folder."""
    missing = NEED_BYTES - shutil.disk_usage(folder).free
    if missing > 0:
        pytest.exit(
            f"disks of machines need {NEED_BYTES / 1e9:.0f} GB in {folder}; "
            f"{max(missing / 1e9, 0.1):.1f} GB are missing: free them, or name a larger folder in TMPDIR",
            returncode=1,
        )


@pytest.fixture(scope="session")
def built(request, room):
    """The image of the last `make image`; no build replaces it meanwhile."""
    shown = request.config.pluginmanager.getplugin("capturemanager")
    with ExitStack() as held:
        with shown.global_and_fixture_disabled():  # it may say that it waits
            held.enter_context(in_use())
        yield built_image()


def built_image() -> Built:
    """The same, for programs that are no tests."""
    out = REPOSITORY / "build" / "image" / "out"
    image = next(out.glob("zongji-*-amd64.img"), None)
    assert image is not None, "there is no image: run `make test-image`, which builds it"
    version = re.fullmatch(r"zongji-(.+)-amd64\.img", image.name)[1]
    return Built(image, out / f"zongji-recovery-stick-{version}.img", version)


@pytest.fixture(scope="session")
def ready(built, figures, tmp_path_factory):
    """The first start of a box from the image, up to a saved state with remote support open.

    With $ZONGJI_IMAGE_READY, a folder, the state is kept there, and used again while the image is the same.
    """
    kept = os.environ.get("ZONGJI_IMAGE_READY")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("ready")
    stamp = f"{built.image.stat().st_mtime_ns}"
    if kept and (folder / "stamp").is_file() and (folder / "stamp").read_text() == stamp:
        return Ready(folder / "disk.qcow2", folder / "support")
    folder.mkdir(exist_ok=True)
    disk = overlay(built.image, folder / "disk.qcow2", "6G")
    with Box(Vm(disk)) as box:
        box.vm.wait_console("Zongji: starting system A")
        figures["boot loader, first start, s"] = round(box.vm.elapsed_s(), 1)
        figures["first start to taking calls, s"] = round(box.wait_takes_calls(), 1)
        code = box.claim()
        box.open_support(folder)
        box.wait_confirmed("A")  # then the first start is over
        box.shell("sync")
        figures["memory in use, idle, MB"] = int(box.shell("free -m | awk '/^Mem/{print $2-$7}'"))
        figures["systemd"] = box.shell("systemd-analyze").splitlines()[0]
        box.vm.save("ready")
    (folder / "code").write_text(code)
    (folder / "stamp").write_text(stamp)
    return Ready(disk, folder / "support")


@pytest.fixture
def make(tmp_path):
    """Makes a stick with files in this test's folder."""

    def of(*files: Path, name: str = "stick.img", size_mb: int = 1024) -> Path:
        return make_stick(tmp_path / name, *files, size_mb=size_mb)

    return of


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Adds what is to be seen of a box that several tests share."""
    report = yield
    if report.when == "call" and report.failed:
        report.sections += [("box", one.seen()) for one in item.funcargs.values() if isinstance(one, Box)]
    return report


def pytest_terminal_summary(terminalreporter, config):
    for name, value in config.stash.get(FIGURES, {}).items():
        terminalreporter.write_line(f"  {name}: {value}")
