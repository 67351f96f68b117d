"""Cellular modules (Quectel, SIMCom, Huawei) as cards with one line each."""

from board.cellular.card import CellularBoard, open_cellular

__all__ = ["CellularBoard", "open_cellular"]
