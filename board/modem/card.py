"""A voice modem as a card."""

from __future__ import annotations

from pathlib import PurePath

from board.api import BoardError
from board.atcard import AtCard, Wires
from board.atport import SerialWire, Time
from board.door import Door
from board.modem.machine import ModemMachine
from board.modem.profiles import PROFILES


class ModemBoard(AtCard):
    """One voice modem: one line."""

    scheme = "modem"

    def __init__(
        self,
        path: str,
        profile: str = "",
        card_id: str = "",
        time: Time | None = None,
        door: Door[Wires] | None = None,
    ) -> None:
        """profile: "usr5637", "cx93010", "v253", or "" to ask the modem. Raises BoardError."""
        if profile and profile not in PROFILES:
            raise BoardError(f"modem: unknown profile {profile!r}; choose one of {', '.join(PROFILES)}")
        machine = ModemMachine(profile)
        name = card_id or default_id("modem", path)
        super().__init__(name, machine, lambda: SerialWire(path), time, door=door)
        self.modem = machine


def default_id(scheme: str, path: str) -> str:
    """Name of a card by its device: stable when the device is one of /dev/serial/by-id."""
    return f"{scheme}-{PurePath(path).name}"


def open_modem(rest: str, profile: str = "", card_id: str = "", time: Time | None = None) -> ModemBoard:
    """`/dev/ttyACM0` or `/dev/ttyACM0,profile=usr5637,id=front-desk`. Raises BoardError."""
    path, settings = read_address("modem", rest, {"profile", "id"})
    return ModemBoard(path, settings.get("profile", profile), settings.get("id", card_id), time)


def read_address(scheme: str, rest: str, known: set[str]) -> tuple[str, dict[str, str]]:
    """(device, settings) of an address. Raises BoardError."""
    path, *parts = rest.split(",")
    if not path.strip():
        raise BoardError(f"{scheme}: which device? Write it like {scheme}:/dev/ttyACM0")
    settings: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key.strip() not in known:
            raise BoardError(f"{scheme}:{rest}: {part!r} is no setting; there are {', '.join(sorted(known))}")
        settings[key.strip()] = value.strip()
    return path.strip(), settings
