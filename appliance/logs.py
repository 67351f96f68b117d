"""How every process of the box logs: to the journal with its fields under systemd, else one format on
stderr."""

from __future__ import annotations

import logging
import os
import sys


def stderr_handler(process: str) -> logging.Handler:
    """Handler that writes `2026-11-21 23:36:05 engine WARNING module: text`."""
    handler = logging.StreamHandler(sys.stderr)
    text = f"%(asctime)s {process} %(levelname)s %(module)s: %(message)s"
    handler.setFormatter(logging.Formatter(text, "%Y-%m-%d %H:%M:%S"))
    return handler


def under_journal(stream: str | None = None) -> bool:
    """Is stderr the journal's own pipe, as `JOURNAL_STREAM` (device:inode) says?"""
    wanted = os.environ.get("JOURNAL_STREAM", "") if stream is None else stream
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return wanted == f"{found.st_dev}:{found.st_ino}"


def journal_handler(process: str) -> logging.Handler:
    """Handler that writes records with fields: ZONGJI_PROCESS, MODULE, and what `extra` holds in capitals."""
    from systemd.journal import JournalHandler  # only where a journal is

    handler: logging.Handler = JournalHandler(SYSLOG_IDENTIFIER=f"zongji-{process}", ZONGJI_PROCESS=process)
    handler.setFormatter(logging.Formatter("%(module)s: %(message)s"))
    return handler


def handler_for(process: str) -> logging.Handler:
    """The handler that fits where this process runs."""
    return journal_handler(process) if under_journal() else stderr_handler(process)


def set_up(process: str, level: int = logging.INFO) -> None:
    """Log directly; for processes that may wait for a slow terminal."""
    logging.basicConfig(level=level, handlers=[handler_for(process)])
