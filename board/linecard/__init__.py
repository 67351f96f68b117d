"""Line cards of our own design: an ALSA sound card for the samples, a serial port for control.

docs/linecard-protocol.md is what a maker builds to; `reference/` is such a card in software.
"""

from __future__ import annotations

from board.linecard.board import LinecardBoard, open_linecard

__all__ = ["LinecardBoard", "open_linecard"]
