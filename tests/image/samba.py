"""A Samba server of this machine that a box in QEMU reaches at 10.0.2.4, and that may fall silent."""

import getpass
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.image.vm import PATIENCE_S, VmError
from tests.ports import free_port

ADDRESS = "10.0.2.4"
USER, PASSWORD = "keeper", "b4ck,up=s !#ß"

CONFIG = """
[global]
server role = standalone server
smb ports = {port}
bind interfaces only = yes
interfaces = lo
disable netbios = yes
load printers = no
private dir = {folder}
lock directory = {folder}
state directory = {folder}
cache directory = {folder}
pid directory = {folder}
ncalrpc dir = {folder}/ncalrpc
passdb backend = tdbsam:{folder}/passdb.tdb
username map = {folder}/users
log file = {folder}/log

[backup]
path = {files}
read only = no

[small]
path = {files}
read only = no
dfree command = {folder}/full

[kept]
path = {files}
read only = yes

[private]
path = {files}
valid users = nobody
"""

RELAY = """
import os, select, socket, sys
server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    for side in select.select([0, server], [], [])[0]:
        data = os.read(0, 65536) if side == 0 else server.recv(65536)
        if not data:
            sys.exit()
        if side == 0:
            server.sendall(data)
        else:
            while data:
                data = data[os.write(1, data):]
"""


class Samba:
    """A context manager; `files` is what is on its shares backup, small (full), kept (read only) and private
    (of somebody else)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files = folder / "files"
        self.files.mkdir()
        self.port = free_port()
        self._config = folder / "smb.conf"
        self._config.write_text(CONFIG.format(port=self.port, folder=folder, files=self.files))
        (folder / "users").write_text(f"{getpass.getuser()} = {USER}\n")
        (folder / "relay.py").write_text(RELAY)
        full = folder / "full"
        full.write_text("#!/bin/sh\necho 100000 100 1024\n")
        full.chmod(0o755)
        typed = f"{PASSWORD}\n{PASSWORD}\n"
        words = ["smbpasswd", "-c", str(self._config), "-a", "-s", getpass.getuser()]
        subprocess.run(words, input=typed, text=True, check=True, capture_output=True)

    @property
    def network(self) -> str:
        """What QEMU's user network has to know."""
        relay = f"{sys.executable} {self._folder / 'relay.py'} {self.port}"
        return f"guestfwd=tcp:{ADDRESS}:445-cmd:{relay}"

    def __enter__(self) -> "Samba":
        words = ["smbd", "--foreground", "--no-process-group", "-s", str(self._config)]
        # Of a session of its own: when it ends it signals its whole process group.
        self._server = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                if self._server.poll() is not None or time.monotonic() > until:
                    said = (self._folder / "log").read_text(errors="replace")
                    raise VmError(f"smbd does not run: {said}") from None
                time.sleep(0.1)

    def falls_silent(self) -> None:
        """From now on nobody gets an answer, though connections stay."""
        os.killpg(self._server.pid, signal.SIGSTOP)

    def answers_again(self) -> None:
        """Silence is over."""
        os.killpg(self._server.pid, signal.SIGCONT)

    def __exit__(self, *raised: object) -> None:
        self.answers_again()
        self._server.send_signal(signal.SIGTERM)
        self._server.wait()
