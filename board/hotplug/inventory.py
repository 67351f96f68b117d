"""What the cards are, from what the kernel tells of devices. No I/O: `step(events) -> changes`.

A card is a piece of hardware (a USB device or a PCI function) with what the kernel makes of it:

    linecard   tty + sound card that udev has finished with     (USB, not in the list of known hardware)
    modem      tty                                              (known USB ids)
    cellular   tty of the interface that takes AT commands      (known USB ids)
    dahdi      entry in dahdi_devices                           (known ids; or any that DAHDI shows)

Known hardware whose parts are missing is a card with a `problem`, so that people learn what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from board.hotplug.known import Known, lookup

AT_SCHEMES = ("modem", "cellular")

DriverState = Callable[[str], str]
"""State of a kernel module: "loaded", "installed" or "absent"."""


@dataclass(frozen=True)
class Device:
    """One entry of sysfs, with what matters of it.

    path: in sysfs, the key. subsystem: "usb", "pci", "tty", "sound" or "dahdi_devices".
    hardware: path of the USB device or PCI function it belongs to (its own path for those).
    ids, subvendor, serial, place, driver, model: filled in for hardware; serial is udev's
    ID_SERIAL_SHORT, place its ID_PATH. interface: USB interface number of a tty.
    ready: a sound card may be opened (SOUND_INITIALIZED). node: `/dev/…`; link: a stable name for it.
    hardware_id: of a DAHDI card.
    """

    path: str
    subsystem: str
    name: str
    hardware: str = ""
    ids: str = ""
    subvendor: str = ""
    serial: str = ""
    place: str = ""
    driver: str = ""
    model: str = ""
    interface: str = ""
    ready: bool = True
    node: str = ""
    link: str = ""
    hardware_id: str = ""


@dataclass(frozen=True)
class Event:
    """A device came, changed or went. action: "add", "change" or "remove"."""

    action: str
    device: Device


@dataclass(frozen=True)
class Card:
    """One card. address: what `open_board` takes; "" while `problem` says why it cannot be used."""

    name: str
    """Serial number or place on the bus: the same after every start and in any order of plugging."""
    scheme: str
    model: str
    driver: str
    address: str = ""
    problem: str = ""
    hardware: str = ""
    ports: str = ""

    @property
    def usable(self) -> bool:
        """Whether it can be opened."""
        return not self.problem


@dataclass(frozen=True)
class CardFound:
    """A card that was not there before."""

    card: Card


@dataclass(frozen=True)
class CardChanged:
    """A card can now be used, or no longer can, or is known better."""

    card: Card
    before: Card


@dataclass(frozen=True)
class CardLost:
    """A card was pulled."""

    card: Card


Change = CardFound | CardChanged | CardLost


def all_installed(driver: str) -> str:
    """A `DriverState` for when nothing is known: never blames a driver that is not installed."""
    return "installed"


class Inventory:
    """All cards that are there now."""

    def __init__(self, driver_state: DriverState = all_installed) -> None:
        self._driver_state = driver_state
        self._devices: dict[str, Device] = {}
        self._cards: dict[str, Card] = {}

    @property
    def cards(self) -> list[Card]:
        """By name."""
        return sorted(self._cards.values(), key=lambda card: (card.scheme, card.name))

    def step(self, events: Iterable[Event]) -> list[Change]:
        """Take note of devices. Returns what that changed: lost cards first, then new and changed ones."""
        for event in events:
            if event.action == "remove":
                self._forget(event.device.path)
            else:
                self._devices[event.device.path] = event.device
        now = self._find()
        lost: list[Change] = [CardLost(card) for key, card in self._cards.items() if key not in now]
        other: list[Change] = []
        for key, card in now.items():
            before = self._cards.get(key)
            if before is None:
                other.append(CardFound(card))
            elif before.name != card.name:
                # Another piece in the same socket.
                lost.append(CardLost(before))
                other.append(CardFound(card))
            elif before != card:
                other.append(CardChanged(card, before))
        self._cards = now
        return lost + other

    def _forget(self, path: str) -> None:
        """What hangs below a piece of hardware goes with it, whether or not the kernel says so in order."""
        for gone in [one for one, device in self._devices.items() if path in (one, device.hardware)]:
            del self._devices[gone]

    def _find(self) -> dict[str, Card]:
        hardware = {d.path: d for d in self._devices.values() if d.subsystem in ("usb", "pci")}
        parts: dict[str, list[Device]] = {path: [] for path in hardware}
        for device in sorted(self._devices.values(), key=lambda device: device.path):
            if device.path in hardware:
                continue
            if device.hardware in parts:
                parts[device.hardware].append(device)
            elif device.subsystem == "dahdi_devices":
                # A card on no bus that we follow: test spans, spans over Ethernet.
                parts.setdefault(device.path, []).append(device)
        found: dict[str, Card] = {}
        for path, own in parts.items():
            card = self._card(path, hardware.get(path), own)
            if card is not None:
                found[path] = card
        return _with_unique_names(found)

    def _card(self, path: str, hardware: Device | None, parts: list[Device]) -> Card | None:
        dahdi = [part for part in parts if part.subsystem == "dahdi_devices"]
        if hardware is None:
            return _dahdi_card(path, dahdi[0], None, "") if dahdi else None
        known = lookup("usb" if hardware.subsystem == "usb" else "pci", hardware.ids, hardware.subvendor)
        if dahdi:
            return _dahdi_card(path, dahdi[0], known, hardware.driver)
        ttys = [part for part in parts if part.subsystem == "tty" and part.node]
        if known is None:
            if hardware.subsystem != "usb":
                return None
            sounds = [part for part in parts if part.subsystem == "sound" and part.ready]
            return _line_card(hardware, ttys[0]) if ttys and sounds else None
        if known.scheme in AT_SCHEMES:
            # Modems and modules of one make share their serial number: for them the place counts.
            name = hardware.place or hardware.name
        else:
            name = _future_name(hardware)
        bare = Card(name, known.scheme, known.name, known.driver, hardware=path, ports=known.ports)
        if hardware.ids in known.unloaded:
            return replace(bare, problem=f"firmware missing: install {known.firmware}, then plug it in again")
        if known.scheme in AT_SCHEMES and (address := _at_address(known, name, ttys, parts)):
            return replace(bare, address=address)
        return replace(bare, problem=self._why_not(known, hardware.driver))

    def _why_not(self, known: Known, bound: str) -> str:
        driver = known.driver
        state = self._driver_state(driver)
        if state == "absent":
            where = "Debian's dahdi-dkms" if known.scheme == "dahdi" else "a kernel that has it"
            if not known.debian:
                where = f"DAHDI built from source, with {driver}"
            return f"driver {driver} is not installed: install {where}"
        if state == "installed":
            return f"driver {driver} is not loaded: run modprobe {driver}"
        if bound and bound not in (driver, "usb"):
            return f"the driver {bound} has taken it: unload {bound}, so that {driver} gets it"
        firmware = f"; it needs {known.firmware}" if known.firmware else ""
        return f"driver {driver} is loaded but does not offer it (yet): see the kernel log{firmware}"


def _dahdi_card(path: str, device: Device, known: Known | None, driver: str) -> Card:
    name = dahdi_name(device.hardware_id, device.name)
    return Card(
        name,
        "dahdi",
        known.name if known else device.model or "DAHDI card",
        driver or (known.driver if known else "dahdi"),
        f"dahdi:{name}",
        hardware=path,
        ports=known.ports if known else "",
    )


def dahdi_name(hardware_id: str, name: str) -> str:
    """The name that the DAHDI back-end has for the card: serial number, else place on the bus."""
    return re.sub(r"[^a-z0-9.:]+", "-", (hardware_id or name).lower()).strip("-").replace(":", "-")


def _future_name(hardware: Device) -> str:
    """The name that DAHDI will give a card once its driver works, so that it keeps it from the start."""
    serial = f"{hardware.subsystem}:{hardware.serial}" if hardware.serial else ""
    return dahdi_name(serial, f"{hardware.subsystem}:{hardware.name}")


def _line_card(hardware: Device, tty: Device) -> Card:
    name = tty.serial or tty.place or hardware.path
    driver = hardware.driver if hardware.driver not in ("", "usb") else "cdc_acm, snd-usb-audio"
    return Card(
        name, "linecard", hardware.model or "line card", driver, f"linecard:{name}", "", hardware.path
    )


def _at_address(known: Known, name: str, ttys: list[Device], parts: list[Device]) -> str:
    """Address of a modem or module; "" while a port of it is missing."""
    control = _interface(known.control_interface, ttys)
    if control is None:
        return ""
    rest = f"{control.link or control.node},id={name.replace(',', '-')}"
    if known.scheme == "modem":
        return f"modem:{rest}"
    sound = _interface(known.sound_interface, ttys)
    if sound is not None:
        return f"cellular:{rest},audio={sound.link or sound.node}"
    usb = [part for part in parts if part.subsystem == "sound" and part.ready]
    number = usb[0].name.removeprefix("card") if usb else ""
    return f"cellular:{rest},audio=alsa:plughw:{number}" if usb else ""


def _interface(wanted: str, ttys: list[Device]) -> Device | None:
    return next((tty for tty in ttys if not wanted or tty.interface == wanted), None)


def _with_unique_names(cards: dict[str, Card]) -> dict[str, Card]:
    """Two pieces with the same serial number (makers do that): the later ones by place get their path."""
    taken: dict[tuple[str, str], str] = {}
    out: dict[str, Card] = {}
    for path in sorted(cards):
        card = cards[path]
        key = (card.scheme, card.name)
        if key in taken:
            problem = card.problem or f"another card has the serial number {card.name} too: use one of them"
            card = replace(card, name=f"{card.name}@{path.rsplit('/', 1)[-1]}", address="", problem=problem)
        else:
            taken[key] = path
        out[path] = card
    return out
