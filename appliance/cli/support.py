"""`zongji support`: collect the support bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from appliance.cli.main import UserError
from appliance.paths import Home
from image.box import support


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `zongji support`."""
    parser.add_argument("--home", type=Path, help="data directory (default: $ZONGJI_HOME or ./var)")
    parser.add_argument(
        "--out", type=Path, help="folder for the zip (default: support/ in the data directory)"
    )


def run(args: argparse.Namespace) -> int:
    """Print the path of the zip."""
    home = Home(args.home.resolve()) if args.home else Home.from_env()
    if not home.root.is_dir():
        raise UserError(f"there is no box on {home.root}; give its --home")
    return support.main(["--home", str(home.root), "--out", str(args.out or home.root / "support")])
