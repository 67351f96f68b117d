"""The support bundle: one zip with what helps somebody far away, and nothing secret.

    python -m image.box.support [--home DIR] [--out DIR]      prints the path of the zip

Each part is collected for itself: one that fails, or a database that is broken, is named in contents.json and
takes nothing else away. Everything goes through `redact` before it is written.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import os
import platform
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from image.box.redact import GONE, Redactor

KEEP = 3
IN_MEMORY = Path("/run/zongji/support")
"""On the flashed box, where pages may read it too."""
MAX_PART_BYTES = 8 << 20
NEED_BYTES = 40_000_000
COMMAND_S = 20.0
JOURNAL_LINES = "8000"
COUNTED_ONLY = ("recordings", "prompts", "spool")
SECRET_FILES = ("recovery-key.txt", "web-secret.key")
PEOPLE = {
    "customers": ("name", "company", "address", "terminal_address", "notes"),
    "customer_phones": ("number", "normal"),
    "calls": ("caller_name", "caller_number", "called_number", "number"),
    "call_notes": ("text",),
    "messages": ("text", "number", "peer"),
    "users": ("username", "password_hash"),
    "agents": ("name", "pin_hash"),
    "claim": ("code",),
    "blacklist": ("pattern", "note"),
}
"""Columns whose values never leave the box."""
PERSONAL_SETTINGS = frozenset({"share.user"})
PLAIN_NAMES = frozenset(
    {"admin", "root", "main", "zongji", "withheld", "in", "out", "engine", "control", "web"}
)
"""Words of the logs that a user name may not blot out."""

Part = Callable[[], "str | bytes | dict[str, Any] | list[Any]"]


class Collector:
    """Collects for one box."""

    def __init__(self, home: Path, config: Path | None, root: Path = Path("/")) -> None:
        self._home = home
        self._config = config
        self._root = root
        self._failures: dict[str, str] = {}
        self._redactor = Redactor(self._known())

    def parts(self) -> dict[str, Part]:
        """Name in the zip -> what makes it."""
        commands = {
            "disk/df.txt": ("df", "-hPT"),
            "disk/inodes.txt": ("df", "-iP"),
            "disk/lsblk.txt": ("lsblk", "-o", "NAME,SIZE,TYPE,FSTYPE,LABEL,PARTLABEL,MODEL,MOUNTPOINTS"),
            "disk/mounts.txt": ("cat", "/proc/mounts"),
            "hardware/cpu.txt": ("lscpu",),
            "hardware/memory.txt": ("cat", "/proc/meminfo"),
            "hardware/pci.txt": ("lspci", "-nnk"),
            "hardware/usb.txt": ("lsusb",),
            "hardware/sound.txt": ("cat", "/proc/asound/cards"),
            "hardware/dahdi.txt": ("sh", "-c", "cat /proc/dahdi/*"),
            "hardware/modules.txt": ("cat", "/proc/modules"),
            "log/kernel.txt": ("dmesg", "-T"),
            "network/addresses.txt": ("ip", "addr"),
            "network/routes.txt": ("ip", "route"),
            "network/sockets.txt": ("ss", "-tulnp"),
            "processes.txt": ("ps", "-eo", "pid,user,cls,rtprio,pcpu,pmem,rss,etimes,comm"),
        }
        on_box = {
            "log/journal.txt": ("journalctl", "--no-pager", "-n", JOURNAL_LINES, "-o", "short-iso"),
            "log/boots.txt": ("journalctl", "--no-pager", "--list-boots"),
            "log/units.txt": ("systemctl", "--no-pager", "list-units", "--all", "zongji*"),
            "slots/rauc.txt": ("rauc", "status", "--detailed"),
            "slots/boot-state.txt": (sys.executable, "-m", "image.box.bootstate", "show"),
            "disk/smart.txt": (
                "sh",
                "-c",
                "for d in /dev/sd? /dev/nvme?n1; do [ -e $d ] && smartctl -a $d; done",
            ),
        }
        found: dict[str, Part] = {
            "about.json": self._about,
            "status.json": lambda: self._ask(self._home / "run" / "control.sock", "status"),
            "checks.json": lambda: self._ask(self._home / "run" / "control.sock", "checks"),
            "system.json": lambda: self._ask(Path("/run/zongji/system.sock"), "status"),
            "plan.json": lambda: self._json(self._home / "plan.json"),
            "plan.good.json": lambda: self._json(self._home / "plan.json.good"),
            "lines.json": lambda: self._json(self._home / "lines.json"),
            "restore.json": lambda: self._json(self._home / "restore" / "state.json"),
            "database.json": self._database,
            "settings.json": self._settings,
            "files.txt": self._files,
        }
        for name, command in (commands | on_box).items():
            found[name] = lambda command=command: self._run(command)  # type: ignore[misc]
        for folder, path in (("slots", self._root / "data" / "system"), ("box", self._config)):
            for file in sorted(path.glob("*.json*")) if path is not None and path.is_dir() else []:
                found[f"{folder}/{file.name}"] = lambda file=file: self._lines(file)  # type: ignore[misc]
        return found

    def write(self, out: Path, now: float) -> Path:
        """Collect everything into a zip in `out`; returns its path. Raises OSError."""
        out = _with_room(out)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
        path = out / f"zongji-support-{stamp}.zip"
        half = path.with_suffix(".part")
        with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as bundle:
            names = []
            for name, make in self.parts().items():
                text = self._made(name, make)
                if text is not None:
                    bundle.writestr(name, text)
                    names.append(name)
            contents = {"made_at": stamp, "parts": names, "failed": self._failures}
            bundle.writestr("contents.json", self._json_text(contents))
        half.chmod(0o640)
        half.replace(path)
        for old in sorted(out.glob("zongji-support-*.zip"))[: -1 if out == IN_MEMORY else -KEEP]:
            old.unlink()
        return path

    # -------------------------------------------------------------------- parts
    def _made(self, name: str, make: Part) -> str | None:
        try:
            found = make()
            if isinstance(found, bytes):
                found = found[-MAX_PART_BYTES:].decode("utf-8", "replace")
            return self._redactor.text(found) if isinstance(found, str) else self._json_text(found)
        except Exception as error:  # whatever it is: the other parts are still worth having
            self._failures[name] = self._redactor.text(f"{type(error).__name__}: {error}")
            return None

    def _json_text(self, value: Any) -> str:
        return json.dumps(self._redactor.data(value), ensure_ascii=False, indent=1)

    def _about(self) -> dict[str, Any]:
        release = self._root / "usr" / "lib" / "zongji" / "release"
        return {
            "time": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
            "release": release.read_text(encoding="utf-8").split("\n") if release.exists() else [],
            "kernel": platform.release(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "command_line": Path("/proc/cmdline").read_text(encoding="utf-8"),
            "up_s": float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0]),
            "home": str(self._home),
        }

    @staticmethod
    def _ask(path: Path, method: str) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(10)
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                link.connect(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.close(folder)
            link.sendall(json.dumps({"id": 1, "method": method, "params": {}}).encode() + b"\n")
            with link.makefile("rb") as lines:
                answer: dict[str, Any] = json.loads(lines.readline(MAX_PART_BYTES))
        return answer

    @staticmethod
    def _json(path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8"))

    def _lines(self, path: Path) -> Any:
        """A file of JSON, or of JSON lines: parsed, so that fields are judged by their names."""
        text = path.read_text(encoding="utf-8")
        return (
            [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
        )

    def _database(self) -> dict[str, Any]:
        folder = self._home / "db"
        found: dict[str, Any] = {
            "files": {
                path.relative_to(folder).as_posix(): path.lstat().st_size
                for path in sorted(folder.rglob("*"))
                if path.is_file() and not {"records", "messages"} & set(path.parts)
            },
            "record_copies": sum(1 for _ in (folder / "records").rglob("*.json")),
        }
        try:
            with closing(self._open()) as db:
                found["schema"] = db.execute("PRAGMA user_version").fetchone()[0]
                found["check"] = [row[0] for row in db.execute("PRAGMA quick_check(20)")]
                tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                found["rows"] = {}
                for table in tables:
                    found["rows"][table] = db.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
        except sqlite3.Error as error:
            found["problem"] = str(error)
        return found

    def _settings(self) -> dict[str, Any]:
        with closing(self._open()) as db:
            return {
                key: GONE if key in PERSONAL_SETTINGS else json.loads(value)
                for key, value in db.execute("SELECT key, value FROM settings")
                if not key.startswith("_")
            }

    def _open(self) -> sqlite3.Connection:
        path = (self._home / "db" / "zongji.db").resolve()
        return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)

    def _files(self) -> str:
        lines = []
        for entry in sorted(self._home.iterdir()):
            if entry.is_dir():
                files = [path for path in entry.rglob("*") if path.is_file()]
                lines.append(
                    f"{entry.name}/  {len(files)} files, {sum(one.stat().st_size for one in files)} bytes"
                )
                if entry.name not in (*COUNTED_ONLY, "db", "restore", "uploads"):
                    lines += [
                        f"    {one.relative_to(entry)}  {one.stat().st_size} bytes" for one in files[:200]
                    ]
            else:
                lines.append(f"{entry.name}  {entry.lstat().st_size} bytes")
        return "\n".join(lines)

    @staticmethod
    def _run(command: tuple[str, ...]) -> bytes:
        if shutil.which(command[0]) is None:
            raise FileNotFoundError(f"there is no {command[0]} here")
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_S, check=False
        )
        if done.returncode and not done.stdout:
            raise OSError(f"{command[0]} ended with {done.returncode}")
        return done.stdout

    # ------------------------------------------------------------------ secrets
    def _known(self) -> list[str]:
        """Exact texts that must not leave the box, as far as they can be read."""
        known: list[str] = []
        for make in (self._secrets_in_files, self._password_of_share, self._secrets_in_database):
            try:
                known += make()
            except (OSError, sqlite3.Error, ValueError, KeyError) as error:
                self._failures[f"redaction by {make.__name__.strip('_')}"] = type(error).__name__
        return [text for text in known if text not in PLAIN_NAMES]

    def _secrets_in_files(self) -> Iterator[str]:
        for folder in filter(None, (self._home, self._config)):
            for name in SECRET_FILES:
                path = folder / name
                if path.exists():
                    content = path.read_bytes()
                    yield content.decode("latin-1").strip()
                    yield binascii.hexlify(content).decode()
                    yield base64.b64encode(content).decode().rstrip("=")
                    yield base64.urlsafe_b64encode(content).decode().rstrip("=")

    def _password_of_share(self) -> Iterator[str]:
        path = self._home / "share-password.json"
        if path.exists():
            yield str(json.loads(path.read_text(encoding="utf-8"))["password"])

    def _secrets_in_database(self) -> Iterator[str]:
        with closing(self._open()) as db:
            there = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table, columns in PEOPLE.items():
                for column in columns if table in there else ():
                    for (value,) in db.execute(f"SELECT DISTINCT {column} FROM {table} LIMIT 200000"):
                        if isinstance(value, str):
                            yield value.strip()


def _with_room(out: Path) -> Path:
    """`out`, or a folder in memory where the disk has no room for a bundle."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(out).free >= NEED_BYTES and os.access(out, os.W_OK):
            return out
    except OSError:
        pass  # a disk that is broken: that is what the bundle is for
    if os.access(IN_MEMORY, os.W_OK):
        return IN_MEMORY
    spare = Path("/tmp") / f"zongji-support-{os.getuid()}"
    spare.mkdir(mode=0o750, exist_ok=True)
    return spare


def main(words: list[str]) -> int:
    """Collect; the last line printed is the path."""
    parser = argparse.ArgumentParser(prog="support")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(words)
    on_box = Path("/data/zongji").is_dir()
    home = args.home or (Path("/data/zongji") if on_box else Path("var"))
    config = os.environ.get("ZONGJI_CONFIG") or ("/config" if on_box else "")
    out = args.out or (Path("/data/support") if on_box and args.home is None else home / "support")
    try:
        print(Collector(home.resolve(), Path(config) if config else None).write(out, time.time()))
    except OSError as error:
        print(f"the support bundle cannot be written: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
