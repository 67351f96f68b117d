"""How every process of the box logs: one format, to stderr, where journald or the terminal takes it."""

from __future__ import annotations

import logging
import sys


def stderr_handler(process: str) -> logging.Handler:
    """Handler that writes `2026-11-21 23:36:05 engine WARNING module: text`."""
    handler = logging.StreamHandler(sys.stderr)
    text = f"%(asctime)s {process} %(levelname)s %(module)s: %(message)s"
    handler.setFormatter(logging.Formatter(text, "%Y-%m-%d %H:%M:%S"))
    return handler


def set_up(process: str, level: int = logging.INFO) -> None:
    """Log directly; for processes that may wait for a slow terminal."""
    logging.basicConfig(level=level, handlers=[stderr_handler(process)])
