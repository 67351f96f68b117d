"""Voice modems (ITU-T V.253, TIA IS-101) as cards with one line each."""

from board.modem.card import ModemBoard, open_modem

__all__ = ["ModemBoard", "open_modem"]
