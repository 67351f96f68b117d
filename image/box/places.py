"""Where things lie on the flashed box. Everything hangs from one root, so that tests have boxes of their
own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Names of files below `root`, which is / on the box."""

    root: Path = Path("/")

    @property
    def config(self) -> Path:
        """What is the box's own and survives everything but a factory reset."""
        return self.root / "config"

    @property
    def network(self) -> Path:
        """The confirmed network settings."""
        return self.config / "network.json"

    @property
    def clock_settings(self) -> Path:
        """Time zone and time servers."""
        return self.config / "time.json"

    @property
    def certificate(self) -> Path:
        """Certificate of the pages."""
        return self.config / "tls" / "cert.pem"

    @property
    def key(self) -> Path:
        """Private key of the certificate."""
        return self.config / "tls" / "key.pem"

    @property
    def identity(self) -> Path:
        """Serial number and product of this box."""
        return self.config / "identity.json"

    @property
    def engine_env(self) -> Path:
        """Environment of the call engine: which cards."""
        return self.config / "engine.env"

    @property
    def ssh(self) -> Path:
        """Host keys, and the permission for remote support."""
        return self.config / "ssh"

    @property
    def data(self) -> Path:
        """The data partition."""
        return self.root / "data"

    @property
    def home(self) -> Path:
        """The product's data directory."""
        return self.data / "zongji"

    @property
    def updates(self) -> Path:
        """Bundles that were brought."""
        return self.data / "updates"

    @property
    def support(self) -> Path:
        """Support bundles."""
        return self.data / "support"

    @property
    def system(self) -> Path:
        """Histories of the box: boots, updates, why a version was left."""
        return self.data / "system"

    @property
    def run(self) -> Path:
        """What is gone after a reboot."""
        return self.root / "run" / "zongji"

    @property
    def networkd(self) -> Path:
        """Generated files for systemd-networkd."""
        return self.root / "run" / "systemd" / "network"

    @property
    def sticks(self) -> Path:
        """Where USB sticks are mounted."""
        return self.run / "usb"

    @property
    def share(self) -> Path:
        """Where a share of the network is mounted."""
        return self.run / "share" / "mounted"

    @property
    def socket(self) -> Path:
        """Where the system daemon listens."""
        return self.run / "system.sock"

    @property
    def release(self) -> Path:
        """What this system is."""
        return self.root / "usr" / "lib" / "zongji" / "release"

    @property
    def kernel_command(self) -> Path:
        """The kernel's command line."""
        return self.root / "proc" / "cmdline"

    @property
    def watchdog(self) -> Path:
        """The hardware watchdog as the kernel shows it; not there where there is none."""
        return self.root / "sys" / "class" / "watchdog" / "watchdog0"

    @property
    def interfaces(self) -> Path:
        """Network interfaces as the kernel shows them."""
        return self.root / "sys" / "class" / "net"
