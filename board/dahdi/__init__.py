"""Line cards driven by Linux DAHDI: PCI, PCIe and USB cards with FXO and FXS ports."""

from board.dahdi.card import DahdiBoard
from board.dahdi.settings import DahdiSettings
from board.dahdi.spans import Card, find_cards

__all__ = ["Card", "DahdiBoard", "DahdiSettings", "find_cards"]
