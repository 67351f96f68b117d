"""A small QEMU machine with Debian's kernel and a copy of what it needs of this machine's files.

`Guest` boots it and runs test bodies in it; `in_guest` makes a test of a function
whose body runs there.

The processor is emulated (TCG, never KVM), so it works where no virtualisation is
allowed. Its clock counts instructions, a nanosecond each (`-icount`), and jumps to
the next timer when there is nothing to do. All its files are in its memory, because
whoever waited for this machine's disk would see time jump. So what a test measures
in there does not depend on how busy this machine is; only how long we wait for it does.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.guest.guest_files import write_root
from tests.guest.kernel_tree import REPOSITORY, KernelTree

HUNG_S = 1200.0
"""A guest that says nothing for so long of our time never will: bodies have their own limits, in its time."""
END_TIMEOUT_S = 10.0
MEMORY_MB = 2048
BORN = "2026-01-02T03:04:05"
"""Date in the guest when it starts."""
PR_SET_PDEATHSIG = 1


class GuestError(Exception):
    """The guest does not boot or does not answer; the text has the end of its console."""


def _end_with_parent():
    """Let the kernel end the guest when this process ends, however that happens."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        os._exit(1)


class Guest:
    """One running guest. Use as a context manager."""

    def __init__(self, tree: KernelTree) -> None:
        """Boot it. Raises GuestError."""
        self._tree = tree
        self.figures: dict[str, object] = {}
        """What bodies returned, by test name: measured values."""
        self._folder = tempfile.TemporaryDirectory(prefix="guest-")
        self.console = Path(self._folder.name) / "console.log"
        self._path = Path(self._folder.name) / "agent.sock"
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._rest = b""
        begun = time.monotonic()
        self._root = Path(self._folder.name) / "root.cpio"
        write_root(self._root, tree)
        self._qemu = subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            self._connect(begun + HUNG_S)
            self.ready = self._answer()
        except BaseException:
            self.close()
            raise
        self._root.unlink()
        self.boot_s = time.monotonic() - begun

    def __enter__(self) -> "Guest":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _command(self) -> list[str]:
        words = (
            "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off nokaslr norandmaps tsc=reliable"
            f" zongji.repository={REPOSITORY} zongji.python={sys.executable}"
        )
        # A plain processor: the emulation of newer instruction sets is not to be trusted with numpy.
        return [
            *("nice", "-n", "5", "qemu-system-x86_64"),
            *("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"),
            *("-rtc", f"base={BORN},clock=vm"),
            *("-machine", "q35", "-cpu", "Nehalem,+rdrand", "-smp", "1"),
            *("-m", str(MEMORY_MB), "-nodefaults", "-display", "none", "-no-reboot"),
            *("-kernel", str(self._tree.kernel), "-initrd", str(self._root), "-append", words),
            *("-serial", f"file:{self.console}"),
            *("-serial", f"unix:{self._path},server=on,wait=off"),
        ]

    def _connect(self, until: float) -> None:
        while True:
            try:
                self._line.connect(str(self._path))
                return
            except (FileNotFoundError, ConnectionRefusedError) as error:
                if self._qemu.poll() is not None:
                    assert self._qemu.stderr is not None
                    raise GuestError(f"qemu ended: {self._qemu.stderr.read().decode()}") from error
                if time.monotonic() > until:
                    raise GuestError("qemu does not open its socket") from error
                time.sleep(0.05)

    def _answer(self) -> dict[str, object]:
        until = time.monotonic() + HUNG_S
        while b"\n" not in self._rest:
            self._line.settimeout(max(until - time.monotonic(), 0.01))
            try:
                data = self._line.recv(65536)
            except TimeoutError as error:
                raise GuestError(f"the guest gave no answer within {HUNG_S:g} s\n{self.log()}") from error
            if not data:
                raise GuestError(f"the guest has ended\n{self.log()}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, object] = json.loads(line)
        return answer

    def log(self) -> str:
        """End of what the kernel said."""
        return self.console.read_text(errors="replace")[-4000:] if self.console.exists() else ""

    def run(self, module: str, name: str, timeout_s: float = 60.0) -> object:
        """Run the body of `module.name` (see `in_guest`) there, for `timeout_s` of its time; its value.

        AssertionError with the guest's traceback when it failed.
        """
        wish = {"module": module, "name": name, "timeout_s": timeout_s}
        self._line.settimeout(HUNG_S)
        self._line.sendall(json.dumps(wish).encode() + b"\n")
        answer = self._answer()
        if answer["text"]:
            print(answer["text"])
        assert answer["ok"], f"failed in the guest:\n{answer['text']}"
        return answer["value"]

    def close(self) -> None:
        """Power off; whatever does not end by itself is killed. Idempotent."""
        if self._qemu.poll() is None:
            try:
                self._line.settimeout(1.0)
                self._line.sendall(b'{"end": true}\n')
                self._qemu.wait(END_TIMEOUT_S)
            except (OSError, subprocess.TimeoutExpired):
                os.killpg(self._qemu.pid, signal.SIGKILL)
                self._qemu.wait()
        if self._qemu.stderr is not None:
            self._qemu.stderr.close()
        self._line.close()
        self._folder.cleanup()


def in_guest(timeout_s=60.0):
    """Decorator: the body of this test runs in the guest; what it returns are figures to be shown."""

    def wrap(body):
        def test(guest):
            value = guest.run(body.__module__, body.__name__, timeout_s)
            if value is not None:
                guest.figures[body.__name__] = value

        test.__name__ = body.__name__
        test.__doc__ = body.__doc__
        test.__module__ = body.__module__
        test.body = body
        return test

    return wrap
