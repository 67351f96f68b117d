"""`zongji engine`: the real-time process alone."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from appliance.cli.main import UserError
from appliance.paths import Home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `zongji engine`."""
    parser.add_argument(
        "--board",
        action="append",
        metavar="ADDRESS",
        help="address of a line card, may be given several times; auto: all that are plugged in, now or "
        "later (default: sim:, the simulated office)",
    )
    parser.add_argument(
        "--sim-config", type=Path, metavar="FILE", help="settings of the simulated office, JSON"
    )
    parser.add_argument("--home", type=Path, help="data directory (default: $ZONGJI_HOME or ./var)")
    parser.add_argument("--realtime", action="store_true", help="ask for real-time scheduling (SCHED_FIFO)")


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C."""
    # Read by the matrix library when it is loaded: one thread computes.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from appliance.engine import process

    settings = process.Settings(
        home=Home(args.home.resolve()) if args.home else Home.from_env(),
        boards=tuple(args.board or ("sim:",)),
        sim_config=_sim_config(args.sim_config),
        realtime=args.realtime,
    )
    try:
        return process.run(settings)
    except process.StartError as error:
        raise UserError(str(error)) from error


def _sim_config(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise UserError(f"{path} must hold an object of settings")
    return data
