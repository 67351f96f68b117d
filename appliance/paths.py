"""Where things lie under the data directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The data directory and the names of what is in it."""

    root: Path

    @classmethod
    def from_env(cls) -> Home:
        """`$ZONGJI_HOME`, or `./var` where it is not set."""
        return cls(Path(os.environ.get("ZONGJI_HOME", "var")).resolve())

    @property
    def database(self) -> Path:
        """The one SQLite database."""
        return self.root / "db" / "zongji.db"

    @property
    def plan(self) -> Path:
        """Plan as last compiled by control."""
        return self.root / "plan.json"

    @property
    def good_plan(self) -> Path:
        """Plan as last accepted by the engine."""
        return self.root / "plan.json.good"

    @property
    def kept_plan(self) -> Path | None:
        """The copy of the good plan with the box's own settings, for a start without the data disk; None
        where there is no such folder."""
        return config / "plan.json" if (config := config_folder()) else None

    @property
    def recordings(self) -> Path:
        """Recorded calls, by year, month and day."""
        return self.root / "recordings"

    @property
    def spool(self) -> Path:
        """Finished call records that control has not acknowledged yet."""
        return self.root / "spool"

    @property
    def message_spool(self) -> Path:
        """Short messages that control has not acknowledged yet."""
        return self.root / "message-spool"

    @property
    def run(self) -> Path:
        """Sockets, locks and what else is gone after a restart."""
        return self.root / "run"

    @property
    def engine_socket(self) -> Path:
        """Where the engine listens for control."""
        return self.run / "engine.sock"

    @property
    def control_socket(self) -> Path:
        """Where control listens for pages and tools."""
        return self.run / "control.sock"

    @property
    def office_socket(self) -> Path:
        """Where the engine listens for the hands of the simulated office."""
        return self.run / "office.sock"

    @property
    def prompts(self) -> Path:
        """The customer's own prompts: `<lang>/<name>.wav`, looked up before the shipped ones."""
        return self.root / "prompts"

    @property
    def backups(self) -> Path:
        """Backups that are kept on the box itself."""
        return self.root / "backups"

    @property
    def uploads(self) -> Path:
        """What browsers send, until it has been used; emptied at every start of control."""
        return self.root / "uploads"

    @property
    def restore(self) -> Path:
        """Where a restore is made ready beside what it replaces."""
        return self.root / "restore"

    @property
    def line_figures(self) -> Path:
        """How well each line works, by socket."""
        return self.root / "lines.json"

    @property
    def recovery_key(self) -> Path:
        """The key that opens this box's backups: with the box's settings where there is such a folder that
        may be written (`$ZONGJI_CONFIG`, set on the flashed box), else in the data directory."""
        name = "recovery-key.txt"
        config = config_folder() or self.root
        return config / name if (config / name).exists() or os.access(config, os.W_OK) else self.root / name

    @property
    def clock(self) -> Path:
        """Since when the clock has gone on without a jump, for what is deleted by age."""
        return self.root / "clock.json"

    @property
    def share_password(self) -> Path:
        """Password of the share that backups are copied to; for control alone (mode 0600)."""
        return self.root / "share-password.json"

    def create(self) -> None:
        """Make the folders. Raises OSError when that is not possible."""
        for folder in (
            self.database.parent,
            self.recordings,
            self.spool,
            self.message_spool,
            self.run,
            self.prompts,
        ):
            folder.mkdir(parents=True, exist_ok=True)


def config_folder() -> Path | None:
    """Where the flashed box keeps its own settings (`$ZONGJI_CONFIG`); None elsewhere."""
    folder = os.environ.get("ZONGJI_CONFIG")
    return Path(folder) if folder else None


def system_socket() -> Path:
    """Where the system daemon of the flashed box listens; there is none in development."""
    return Path(os.environ.get("ZONGJI_SYSTEM_SOCKET", "/run/zongji/system.sock"))


def updates_folder() -> Path:
    """Where the pages put updates that a browser brings, on the flashed box."""
    return Path(os.environ.get("ZONGJI_UPDATES", "/data/updates"))


SHIPPED_PROMPTS = Path(__file__).parent / "prompts" / "built"
