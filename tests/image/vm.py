"""One emulated box: QEMU without KVM, driven over QMP, seen over serial, HTTPS and SSH.

The processor is emulated (TCG): hosts differ, and Debian's kernel hangs under the KVM of some.
Its model is a plain one: numpy crashes on the emulation of newer instruction sets.
Waiting is for something to appear; the bounds are guards against a box that hangs.
"""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.image.qmp import Qmp, QmpError
from tests.ports import free_port

OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE.fd")
OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS.fd")
CPU = "Nehalem,+rdrand,+rdseed"
PATIENCE_S = 600.0
"""Guard against a box that hangs; nothing takes that long on an idle machine."""
PR_SET_PDEATHSIG = 1


class VmError(AssertionError):
    """The box did not do what was waited for; the text has the end of its console."""


def _end_with_parent():
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        os._exit(1)


def _keep_nice(pid: int) -> None:
    """A session of its own is a scheduling group, outside which its nice value would count for nothing."""
    group = Path(f"/proc/{pid}/autogroup")
    if group.exists():
        group.write_text(str(os.getpriority(os.PRIO_PROCESS, 0)))


def run(*words: object) -> str:
    """Run a program of this machine; its output. AssertionError with what it said when it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words[0]}: {done.stderr or done.stdout}"
    return done.stdout


def overlay(base: Path, at: Path, size: str = "") -> Path:
    """A qcow2 disk over `base` that leaves it as it is; `size` (e.g. "8G") may be more than the base's."""
    kind = "qcow2" if base.suffix == ".qcow2" else "raw"
    run(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-F",
        kind,
        "-b",
        base.resolve(),
        at,
        *([size] if size else []),
    )
    return at


class Vm:
    """A box on a disk. Use as a context manager; a power cut is `cut()`, and the disk outlives it."""

    def __init__(
        self,
        disk: Path | None,
        firmware: str = "bios",
        stick: Path | None = None,
        snapshot: str = "",
        memory_mb: int = 1024,
        more: tuple[str, ...] = (),
        network: bool = True,
        neighbours: str = "",
    ):
        """firmware: bios or efi. stick: a disk on USB that boots first. snapshot: a saved state of `disk`
        to go on from instead of booting. more: further words for QEMU; neighbours: options of its network."""
        self.disk, self.firmware = disk, firmware
        self.https_port, self.http_port, self.ssh_port = free_port(), free_port(), free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="vm-")
        folder = Path(self._folder.name)
        self.console = folder / "console.log"
        self._serial = folder / "serial.sock"
        words = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "2"]
        words += ["-m", str(memory_mb), "-machine", "q35", "-nodefaults", "-display", "none", "-vga", "std"]
        words += ["-qmp", f"unix:{folder / 'qmp.sock'},server=on,wait=off"]
        words += [
            "-chardev",
            f"socket,id=serial,path={self._serial},server=on,wait=off,logfile={self.console}",
        ]
        words += ["-serial", "chardev:serial", "-device", "qemu-xhci,id=xhci", "-rtc", "base=utc"]
        words += ["-device", "i6300esb", "-action", "watchdog=reset"]
        if firmware == "efi":
            shutil.copyfile(OVMF_VARS, folder / "vars.fd")
            words += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}"]
            words += ["-drive", f"if=pflash,format=raw,file={folder / 'vars.fd'}"]
        if disk is not None:
            kind = "qcow2" if disk.suffix == ".qcow2" else "raw"
            words += ["-drive", f"file={disk},format={kind},if=none,id=main,discard=unmap"]
            words += ["-device", "virtio-blk-pci,drive=main,bootindex=1,serial=MAIN"]
        if stick is not None:
            kind = "qcow2" if stick.suffix == ".qcow2" else "raw"
            words += ["-drive", f"file={stick},format={kind},if=none,id=stick"]
            words += ["-device", "usb-storage,bus=xhci.0,drive=stick,bootindex=0,id=stick0,removable=on"]
        if network:
            ports = f"hostfwd=tcp:127.0.0.1:{self.https_port}-:443,hostfwd=tcp:127.0.0.1:{self.http_port}-:80"
            ports += f",hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22"
            ports += f",{neighbours}" if neighbours else ""
            words += ["-nic", f"user,id=net0,model=virtio-net-pci,restrict=on,{ports}"]
        if snapshot:
            words += ["-loadvm", snapshot]
        self.began = time.monotonic()
        self._seen = 0
        self._qemu = subprocess.Popen(
            [*words, *more],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            _keep_nice(self._qemu.pid)
            self.qmp = Qmp(str(folder / "qmp.sock"), ended=lambda: self._qemu.poll() is not None)
        except QmpError as error:
            said = self._qemu.stderr.read().decode() if self._qemu.poll() is not None else ""
            self.cut()
            raise VmError(f"{error} {said}") from error
        except BaseException:
            self.cut()
            raise

    def __enter__(self) -> "Vm":
        return self

    def __exit__(self, *raised: object) -> None:
        self.cut()

    def cut(self) -> None:
        """The power goes: nothing is told to the box. Idempotent."""
        if self._qemu.poll() is None:
            os.killpg(self._qemu.pid, signal.SIGKILL)
        self._qemu.wait()
        if self._qemu.stderr is not None:
            self._qemu.stderr.close()
        if hasattr(self, "qmp"):
            self.qmp.close()
        self._folder.cleanup()

    def elapsed_s(self) -> float:
        """Seconds since power on."""
        return time.monotonic() - self.began

    # --- console ----------------------------------------------------------------------

    def log(self) -> str:
        """All that was printed on the serial console, without the control sequences of terminals."""
        text = self.console.read_bytes().decode(errors="replace") if self.console.exists() else ""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>c]|\r", "", text)

    def wait_console(self, pattern: str, timeout_s: float = PATIENCE_S) -> re.Match:
        """Wait until `pattern` is printed after what the last call found."""
        until = time.monotonic() + timeout_s
        while True:
            if found := re.compile(pattern).search(self.log(), self._seen):
                self._seen = found.end()
                return found
            if self._qemu.poll() is not None:
                assert self._qemu.stderr is not None
                raise VmError(
                    f"the machine has ended: {self._qemu.stderr.read().decode()}\n{self.log()[-3000:]}"
                )
            if time.monotonic() > until:
                raise VmError(f"not on the console: {pattern}\n{self.log()[-3000:]}")
            time.sleep(0.1)

    def wait_all(self, *sentences: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until all of these have been printed since power on, in whatever sequence."""
        until = time.monotonic() + timeout_s
        while missing := [one for one in sentences if one not in self.log()]:
            if time.monotonic() > until:
                raise VmError(f"not on the console: {missing}\n{self.log()[-3000:]}")
            time.sleep(0.1)

    def type(self, text: str) -> None:
        """Type on the serial console, and wait until the box has taken it all."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(PATIENCE_S)
            line.connect(str(self._serial))
            line.sendall(text.encode())
            # The port takes a few letters at a time; what a closed line still holds QEMU throws away.
            line.shutdown(socket.SHUT_WR)
            while line.recv(4096):
                pass

    def hold_key(self, key: str, until: str, timeout_s: float = PATIENCE_S) -> None:
        """Keep pressing a key of the keyboard (QEMU's name of it) until `until` is on the console."""
        end = time.monotonic() + timeout_s
        while not re.compile(until).search(self.log(), self._seen):
            self.qmp.command("send-key", keys=[{"type": "qcode", "data": key}])
            if time.monotonic() > end:
                raise VmError(f"not on the console: {until}\n{self.log()[-3000:]}")
            time.sleep(0.2)

    # --- machine ----------------------------------------------------------------------

    def save(self, name: str) -> None:
        """Save the state of the whole machine in its disk (qcow2)."""
        self.qmp.monitor(f"savevm {name}")

    def writes(self) -> int:
        """How often the box has written to its disk since this machine was begun."""
        found = self.qmp.command("query-blockstats")
        return next(one["stats"]["wr_operations"] for one in found if one["device"] == "main")

    def wait_writes(self, count: int, pattern: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the box has written so often, or `pattern` is on the console."""
        until = time.monotonic() + timeout_s
        while self.writes() < count and not re.compile(pattern).search(self.log(), self._seen):
            if time.monotonic() > until:
                raise VmError(f"neither {count} writes nor on the console: {pattern}\n{self.log()[-3000:]}")
            time.sleep(0.005)

    def reset(self) -> None:
        """The reset button."""
        self.qmp.command("system_reset")

    def wait_reset(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the box restarts itself."""
        self.qmp.wait_event("RESET", timeout_s)

    def wait_off(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the box has switched itself off."""
        self._qemu.wait(timeout_s)

    def forward(self, address: str, port: int) -> int:
        """A port of this machine that leads to a port of another address of the box."""
        here = free_port()
        self.qmp.monitor(f"hostfwd_add net0 tcp:127.0.0.1:{here}-{address}:{port}")
        return here

    def plug_stick(self, image: Path, name: str = "stick1") -> None:
        """Put a USB stick in."""
        kind = "qcow2" if image.suffix == ".qcow2" else "raw"
        self.qmp.command(
            "blockdev-add",
            driver=kind,
            node_name=f"node-{name}",
            file={"driver": "file", "filename": str(image)},
        )
        self.qmp.command("device_add", driver="usb-storage", id=name, drive=f"node-{name}", bus="xhci.0")

    def plug_usb(self, driver: str, name: str, socket_: Path) -> None:
        """Put in a USB device that is served at a Unix socket of this machine."""
        address = {"type": "unix", "data": {"path": str(socket_)}}
        backend = {"type": "socket", "data": {"addr": address, "server": False}}
        self.qmp.command("chardev-add", id=f"line-{name}", backend=backend)
        where = {"bus": "xhci.0", "port": "1"}  # always the same socket: left to itself QEMU takes another
        self.qmp.command("device_add", driver=driver, id=name, chardev=f"line-{name}", **where)

    def pull_usb(self, name: str) -> None:
        """Pull out what `plug_usb` has put in; QEMU forgets its socket with it."""
        self._pulled(name)

    def pull(self, name: str = "stick1") -> None:
        """Pull a device out."""
        self.qmp.command("device_del", id=name)

    def pull_stick(self, name: str = "stick1") -> None:
        """Pull out what `plug_stick` put in, and forget it."""
        self._pulled(name)
        self.qmp.command("blockdev-del", node_name=f"node-{name}")

    def _pulled(self, name: str) -> None:
        """Pull out a device, and wait until QEMU has let it go."""
        self.pull(name)
        while self.qmp.wait_event("DEVICE_DELETED")["data"].get("device") != name:
            pass

    # --- network ----------------------------------------------------------------------

    def ssh(self, key: Path, command: str, timeout_s: float = 120.0, check: bool = True) -> str:
        """Run a command on the box as its support user; what it printed. AssertionError when it fails."""
        done = subprocess.run(
            [
                *("ssh", "-p", str(self.ssh_port), "-i", str(key), "-o", "StrictHostKeyChecking=no"),
                *("-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"),
                *("-o", "ConnectTimeout=60", "root@127.0.0.1", command),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout
