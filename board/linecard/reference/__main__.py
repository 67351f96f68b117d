"""`python -m board.linecard.reference`: a line card in software on a pty and a socket."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from board.linecard.reference.device import Device
from board.linecard.reference.plug import PluggedCard
from board.registry import open_board


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=8, help="FXO ports (default 8)")
    parser.add_argument("--phones", type=int, default=8, help="FXS ports (default 8)")
    parser.add_argument("--serial", default="REF0001", help="serial number (default REF0001)")
    parser.add_argument("--control", type=Path, required=True, help="link to the control pty")
    parser.add_argument("--sound", type=Path, required=True, help="socket of the sound device")
    parser.add_argument("--ppm", type=float, default=0.0, help="error of its crystal")
    args = parser.parse_args()
    board = open_board(f"sim:lines={args.lines},phones={args.phones}")
    card = PluggedCard(Device(board, args.serial), args.control, args.sound)
    card.rate_ppm = args.ppm
    stopped: list[int] = []
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda number, frame: stopped.append(number))
    print("ready", flush=True)
    try:
        card.run(lambda: bool(stopped))
    finally:
        card.close()


if __name__ == "__main__":
    main()
