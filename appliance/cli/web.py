"""`zongji web`: the web pages alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from appliance.cli.main import UserError, port_number
from appliance.paths import Home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `zongji web`."""
    parser.add_argument("--home", type=Path, help="data directory (default: $ZONGJI_HOME or ./var)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address the pages are served on (default: this machine only)"
    )
    parser.add_argument(
        "--port", type=port_number, default=8080, help="port the pages are served on (default: 8080)"
    )
    parser.add_argument("--cert", type=Path, help="serve over HTTPS with this certificate (PEM); needs --key")
    parser.add_argument("--key", type=Path, help="private key of the certificate (PEM)")


def run(args: argparse.Namespace) -> int:
    """Serve until asked to stop."""
    home = Home(args.home.resolve()) if args.home else Home.from_env()
    if bool(args.cert) != bool(args.key):
        raise UserError("--cert and --key belong together: give both or none")
    for path in (args.cert, args.key):
        if path is not None and not path.is_file():
            raise UserError(f"{path} is missing: make a certificate first, or leave --cert and --key out")
    try:
        home.create()
        from webui.server import Tls, serve

        serve(home, args.host, args.port, Tls(args.cert, args.key) if args.cert else None)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing: run `make setup` first") from error
    except OSError as error:
        raise UserError(f"cannot write to the data directory {home.root}: {error.strerror}") from error
    return 0
