"""The simulated office: an exchange with lines and callers, and telephone sets.

It synthesises its own signals and shares no code with the detectors of the box.
"""

from board.sim.card import SimBoard
from board.sim.config import LineConfig, OfficeConfig, OfficeError, PhoneConfig
from board.sim.office import LineControl, Office
from board.sim.outside import OutsidePhone
from board.sim.telephone import TelephoneSet

__all__ = [
    "LineConfig",
    "LineControl",
    "Office",
    "OfficeConfig",
    "OfficeError",
    "OutsidePhone",
    "PhoneConfig",
    "SimBoard",
    "TelephoneSet",
]
