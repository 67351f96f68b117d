"""The recovery system of an emulated box: its sticks, its menu, its page."""

import hashlib
import json
import os
import re
import ssl
import time
import urllib.parse
from pathlib import Path

from recovery.choices import CHOICES
from tests.image.pages import Pages
from tests.image.sticks import make_stick, read_file
from tests.image.vm import PATIENCE_S, Vm, VmError, run

MENU = r"\n +1  \w[^$]*Type a number and press Enter: "
BLOCK = 4096
FORM = "application/x-www-form-urlencoded"


def order_file(folder: Path, **order: object) -> Path:
    """A recovery.json."""
    path = folder / "recovery.json"
    path.write_text(json.dumps(order))
    return path


def order_stick(at: Path, *files: Path, size_mb: int = 256, **order: object) -> Path:
    """Any stick, with an order for recovery on it."""
    return make_stick(at, order_file(at.parent, **order), *files, size_mb=size_mb)


def recovery_stick(built, at: Path, *files: Path) -> Path:
    """The recovery stick, with files on the partition ZONGJI."""
    run("cp", "--sparse=always", built.stick, at)
    for file in files:
        run("mcopy", "-o", "-i", f"{at}@@{files_at(at)}", file, "::")
    return at


def files_at(stick: Path) -> int:
    """Where the partition ZONGJI of a recovery stick begins, in bytes."""
    parts = json.loads(run("sfdisk", "--json", stick))["partitiontable"]["partitions"]
    return 512 * next(part["start"] for part in parts if part["name"] == "ZONGJI")


def result(stick: Path, offset: int = 0) -> dict:
    """What recovery has written to the stick."""
    return json.loads(read_file(stick, "recovery-result.json", offset))


def fetch(stick: Path, name: str, to: Path, offset: int = 0) -> Path:
    """A file of a stick, copied to this machine."""
    run("mcopy", "-o", "-i", f"{stick}@@{offset}", f"::{name}", to)
    return to


def sata(*disks: Path, serials: tuple[str, ...] = ("SATA-77", "SATA-88")) -> tuple[str, ...]:
    """Words for QEMU: further disks, on SATA."""
    words = ["-device", "ahci,id=ahci"]
    for number, (disk, serial) in enumerate(zip(disks, serials, strict=False)):
        kind = "qcow2" if disk.suffix == ".qcow2" else "raw"
        words += ["-drive", f"file={disk},format={kind},if=none,id=other{number}"]
        words += ["-device", f"ide-hd,drive=other{number},bus=ahci.{number},serial={serial}"]
    return tuple(words)


def somebodys_disk(at: Path, like: Path, label: str = "PHOTOS") -> str:
    """A disk of somebody else, as large as `like` and a little: ext4 without partitions, a file on it.
    Its hash."""
    files = at.parent / "somebodys"
    files.mkdir()
    (files / "wedding.jpg").write_bytes(os.urandom(3_000_000))
    with at.open("wb") as disk:
        disk.truncate(like.stat().st_size + (64 << 20))
    run("mke2fs", "-q", "-t", "ext4", "-L", label, "-d", files, at)
    return hash_of(at)


def hash_of(disk: Path) -> str:
    """SHA-256 of the blocks of a disk's file that are not zeros, and their places; holes are passed over."""
    digest, end, size = hashlib.sha256(), 0, disk.stat().st_size
    with disk.open("rb", buffering=0) as content:
        while end < size:
            try:
                begin = os.lseek(content.fileno(), end, os.SEEK_DATA) // BLOCK * BLOCK
            except OSError:  # a hole up to the end
                break
            end = os.lseek(content.fileno(), max(begin, end), os.SEEK_HOLE)
            for at in range(begin, end, BLOCK):
                block = os.pread(content.fileno(), BLOCK, at)
                if any(block):
                    digest.update(at.to_bytes(8) + block)
    return digest.hexdigest()


def number_of(key: str) -> int:
    """What is typed for a line of the menu."""
    return [one.key for one in CHOICES].index(key) + 1


def choose(vm: Vm, key: str, *answers: str) -> str:
    """Type a choice of the menu and what it asks for; what it said at the end."""
    vm.type(f"{number_of(key)}\r")
    for answer in answers:
        vm.wait_console(r"\n  [^\n]+: $")
        vm.type(f"{answer}\r")
    said = vm.wait_console(r"(Done\.|Not done:)[^\n]*(?=\n)")[0]
    vm.wait_console(MENU)
    return said


class RecoveryPage(Pages):
    """A browser at recovery's page."""

    def state(self) -> dict:
        """Its state for programs."""
        return json.loads(self.open("/state"))

    def wait_state(self, wanted, timeout_s: float = PATIENCE_S) -> dict:
        """Wait until `wanted(state)`."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                state = self.state()
                if wanted(state):
                    return state
            except OSError as error:
                state = {"problem": str(error)}
            if time.monotonic() > until:
                raise VmError(f"the page of recovery says {state}\n{self._vm.log()[-3000:]}")
            time.sleep(0.1)

    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as browsers show it."""
        der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", self._vm.https_port)))
        return hashlib.sha256(der).digest().hex(":").upper()

    def enter(self, code: str) -> str:
        """Give the presence code."""
        self.wait("/?lang=en")
        return self.open("/enter?lang=en", urllib.parse.urlencode({"code": code}).encode(), FORM)

    def begin(self, key: str, **fields: str) -> str:
        """Send the form of an action, and say yes to what it will do; the page."""
        data = urllib.parse.urlencode({"what": key, **fields}).encode()
        page = self.open("/plan?lang=en", data, FORM)
        if 'role="alert"' in page:
            return page
        assert "This will: " in page, page
        shown = re.search(r'name="plan" value="(\w+)"', page)[1]
        data = urllib.parse.urlencode({"what": key, **fields, "plan": shown}).encode()
        return self.open("/do?lang=en", data, FORM)

    def do(self, key: str, **fields: str) -> str:
        """The same, and wait until it has ended; the page then."""
        page = self.begin(key, **fields)
        if 'role="alert"' in page:
            return page
        self.wait_state(lambda state: not state["busy"])
        return self.open("/?lang=en")
