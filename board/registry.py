"""Which back-end drives a card, chosen by the scheme of its address (`sim:`, `dahdi:` …)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from board.api import Board, BoardError

Opener = Callable[..., Board]
"""Called with the part of the address after the colon and the caller's options."""


def _open_sim(rest: str, **options: Any) -> Board:
    """`sim:` or `sim:lines=8,phones=16,country=US,seed=3`.

    Options: config (OfficeConfig or plain data for it), pace ("virtual" or "wall"), card_id.
    Settings in the address come on top of plain data.
    """
    from board.sim import OfficeConfig, SimBoard

    config = options.pop("config", None)
    pace = options.pop("pace", "virtual")
    card_id = options.pop("card_id", "sim")
    if options:
        raise BoardError(f"sim: does not know the option {sorted(options)[0]!r}; use config, pace, card_id")
    if isinstance(config, OfficeConfig):
        if rest:
            raise BoardError(f"sim:{rest}: give settings in the address or a ready config, not both")
        return SimBoard(config, pace, card_id)
    if config is not None and not isinstance(config, Mapping):
        raise BoardError(f"sim: config is a {type(config).__name__}; give an OfficeConfig or a mapping")
    plain = dict(config or {})
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise BoardError(f"sim:{rest}: {part!r} is no setting; write it like lines=8")
        plain[key.strip()] = int(value) if value.strip().isdecimal() else value.strip()
    return SimBoard(OfficeConfig.from_dict(plain), pace, card_id)


def _open_dahdi(rest: str, **options: Any) -> Board:
    """`dahdi:`, `dahdi:1,2` (span numbers), `dahdi:NAME` (a card's name); settings: `,flash_max_ms=900`.

    Options: card_id, keeper (see `board.keep`).
    """
    from board.dahdi import DahdiBoard, DahdiSettings

    card_id, keeper = options.pop("card_id", ""), options.pop("keeper", None)
    if options:
        raise BoardError(f"dahdi: does not know the option {sorted(options)[0]!r}; use card_id, keeper")
    settings: dict[str, int] = {}
    where: list[str] = []
    for part in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            where.append(part)
        elif key not in DahdiSettings.__dataclass_fields__ or not value.isdecimal():
            known = ", ".join(DahdiSettings.__dataclass_fields__)
            raise BoardError(f"dahdi:{rest}: {part!r} is no setting; there are {known}, each a whole number")
        else:
            settings[key] = int(value)
    return DahdiBoard(",".join(where), DahdiSettings(**settings), card_id, keeper=keeper)


def _open_linecard(rest: str, **options: Any) -> Board:
    """`linecard:SERIALNUMBER` (found by udev) or `linecard:serial=/dev/ttyACM0,pcm=hw:2`."""
    from board.linecard import open_linecard

    if options:
        raise BoardError(f"linecard: does not know the option {sorted(options)[0]!r}")
    return open_linecard(rest)


def _open_modem(rest: str, **options: Any) -> Board:
    """`modem:/dev/ttyACM0` or `modem:/dev/ttyACM0,profile=usr5637,id=front`. Options: card_id."""
    from board.modem import open_modem

    card_id = options.pop("card_id", "")
    if options:
        raise BoardError(f"modem: does not know the option {sorted(options)[0]!r}; use card_id")
    return open_modem(rest, card_id=card_id)


def _open_cellular(rest: str, **options: Any) -> Board:
    """`cellular:/dev/ttyUSB2,audio=/dev/ttyUSB1`, with profile=, pin=, id= where needed. Options: card_id."""
    from board.cellular import open_cellular

    card_id = options.pop("card_id", "")
    if options:
        raise BoardError(f"cellular: does not know the option {sorted(options)[0]!r}; use card_id")
    return open_cellular(rest, card_id=card_id)


_OPENERS: dict[str, Opener] = {
    "sim": _open_sim,
    "dahdi": _open_dahdi,
    "linecard": _open_linecard,
    "modem": _open_modem,
    "cellular": _open_cellular,
}


KEEPING = frozenset({"dahdi"})
"""Schemes with the option `keeper` (see `board.keep`)."""


def open_board(address: str, **options: Any) -> Board:
    """Open the card at `address`, `scheme:rest`. BoardError says why it cannot be opened."""
    scheme, colon, rest = address.partition(":")
    if not colon:
        raise BoardError(f"{address!r} is no card address; write it like sim: (scheme, colon, rest)")
    opener = _OPENERS.get(scheme)
    if opener is not None:
        return opener(rest, **options)
    raise BoardError(f"{address!r}: unknown kind of card {scheme!r}; available: {schemes()}")


def schemes() -> str:
    """The schemes that can be opened, for messages."""
    return ", ".join(f"{scheme}:" for scheme in sorted(_OPENERS))
