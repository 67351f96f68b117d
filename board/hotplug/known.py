"""Hardware that we know by its bus numbers, and what it takes to use it.

docs/hardware.md shows the same list to buyers; a test compares the two.
Sources: the id tables of the DAHDI drivers (drivers/dahdi/*.c, 2.11.1 and 3.4.0), the
vendors' manuals for modems and cellular modules. No physical card has been touched.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A kind of card.

    bus: "pci" or "usb"; ids: "vendor:device" in lower-case hexadecimal; subvendors: PCI subvendor
    numbers that tell cards with the same ids apart, none for any. scheme: which back-end drives it.
    driver: kernel module; ports: how many lines or telephones. firmware: what has to be installed
    beside the driver, "" for nothing; unloaded: ids the card shows while its firmware is missing.
    debian: whether the driver comes with Debian 12's dahdi packages or kernel.
    """

    name: str
    bus: str
    ids: tuple[str, ...]
    scheme: str
    driver: str
    ports: str
    subvendors: tuple[str, ...] = ()
    firmware: str = ""
    unloaded: tuple[str, ...] = ()
    debian: bool = True
    control_interface: str = ""
    """Cellular: USB interface number of the AT port."""
    sound_interface: str = ""
    """Cellular: USB interface number of the serial port that carries the sound."""
    note: str = ""


KNOWN: tuple[Known, ...] = (
    Known(
        "OpenVox A800, A1200, AE800, AE1200",
        "pci",
        ("e159:0001",),
        "dahdi",
        "opvxa1200",
        "8 or 12",
        subvendors=("9100", "9519", "95d9", "9500", "9532", "8519", "9559", "9599"),
    ),
    Known(
        "X100P and clones",
        "pci",
        ("e159:0001", "1057:5608"),
        "dahdi",
        "wcfxo",
        "1 line",
        subvendors=("8084", "8085", "8086", "8087"),
        note="no polarity, no battery state, no voltage: a last resort",
    ),
    Known("Digium TDM400P, OpenVox A400 and clones", "pci", ("e159:0001",), "dahdi", "wctdm", "4"),
    Known(
        "Digium TDM2400P, AEX2400",
        "pci",
        ("d161:2400", "d161:8003"),
        "dahdi",
        "wctdm24xxp",
        "24",
    ),
    Known("Digium HA8, HB8", "pci", ("d161:8007", "d161:8008"), "dahdi", "wctdm24xxp", "8"),
    Known(
        "Digium TDM410P, AEX410, TDM800P, AEX800",
        "pci",
        ("d161:8005", "d161:8006", "d161:0800", "d161:8002"),
        "dahdi",
        "wctdm24xxp",
        "4 or 8",
        note="only with Debian 12's driver: upstream has dropped these cards since 3.0",
    ),
    Known(
        "Digium A4A, A4B, A8A, A8B",
        "pci",
        ("d161:800c", "d161:800d", "d161:800f", "d161:8010"),
        "dahdi",
        "wcaxx",
        "4 or 8",
        debian=False,
        note="the source is in Debian's dahdi-source, but dahdi-dkms does not install the module",
    ),
    Known(
        "Xorcom Astribank",
        "usb",
        ("e4e4:1132", "e4e4:1142", "e4e4:1152", "e4e4:1162"),
        "dahdi",
        "xpp_usb",
        "8 to 32 a box, several boxes",
        firmware="Xorcom's USB and FPGA firmware files, loaded by dahdi-linux's astribank tools",
        unloaded=tuple(f"e4e4:11{model}{state}" for model in "3456" for state in "01"),
    ),
    Known("USRobotics USR5637 voice modem", "usb", ("0baf:0303",), "modem", "cdc_acm", "1 line"),
    Known(
        "Conexant CX93010 voice modem (StarTech USB56KEMH2 and others)",
        "usb",
        ("0572:1329", "0572:1340"),
        "modem",
        "cdc_acm",
        "1 line",
    ),
    Known(
        "Quectel EC20, EC21, EC25, EG25",
        "usb",
        ("2c7c:0121", "2c7c:0125"),
        "cellular",
        "option",
        "1 SIM",
        control_interface="02",
        sound_interface="01",
    ),
    Known(
        "SIMCom SIM7500, SIM7600",
        "usb",
        ("1e0e:9001",),
        "cellular",
        "option",
        "1 SIM",
        control_interface="02",
        sound_interface="04",
    ),
    Known(
        "Huawei E1xx, K3 voice sticks",
        "usb",
        ("12d1:1001",),
        "cellular",
        "option",
        "1 SIM",
        control_interface="02",
        sound_interface="01",
        note="only sticks whose voice channel is unlocked",
    ),
)


def lookup(bus: str, ids: str, subvendor: str = "") -> Known | None:
    """The entry for a device; None when we do not know it.

    Cards that share their ids are told apart by the PCI subvendor; the entry that names none is
    for all the others.
    """
    found = [one for one in KNOWN if one.bus == bus and ids in (*one.ids, *one.unloaded)]
    exact = [one for one in found if subvendor and subvendor in one.subvendors]
    open_ = [one for one in found if not one.subvendors]
    rest = found if len(found) == 1 else []
    return next(iter([*exact, *open_, *rest]), None)
