"""What stands in for systemd where processes of the box are started alone."""

import os
import signal
import socket
import subprocess

from tests.appliance.running_box import ZONGJI

WAIT_S = 60.0


class Supervisor:
    """Starts processes as systemd would, and hears their notifications."""

    def __init__(self, folder):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.settimeout(WAIT_S)
        self._folder = folder
        self._processes = []

    def start(self, *words, watchdog_ms=400):
        environment = os.environ | {
            "NOTIFY_SOCKET": str(self._folder / "notify"),
            "WATCHDOG_USEC": str(watchdog_ms * 1000),
            "ZONGJI_HOME": str(self._folder / "home"),
        }
        process = subprocess.Popen([ZONGJI, *words], env=environment, stderr=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    def hear(self, wanted):
        """The next message that begins with `wanted`; others before it are passed over."""
        while True:
            message = self._socket.recv(4096).decode()
            if message.startswith(wanted):
                return message

    def silence(self, seconds):
        """Whether nothing more is said for this long (what was said before is taken out)."""
        self._socket.setblocking(False)
        while True:
            try:
                self._socket.recv(4096)
            except BlockingIOError:
                break
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(4096)
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(WAIT_S)
        return False

    def close(self):
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                process.wait(WAIT_S)
        self._socket.close()
