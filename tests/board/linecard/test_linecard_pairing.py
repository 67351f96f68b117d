"""Sound card and serial port are paired by the USB device above both, never by number."""

from types import SimpleNamespace

import pytest

from board.api import BoardError
from board.linecard.pairing import find_card, find_cards


def device(name, usb, node=None, **properties):
    parent = SimpleNamespace(device_path=usb) if usb else None

    def find_parent(subsystem, kind):
        assert (subsystem, kind) == ("usb", "usb_device")
        return parent

    return SimpleNamespace(sys_name=name, device_node=node, properties=properties, find_parent=find_parent)


def context(ttys, sounds):
    return SimpleNamespace(list_devices=lambda subsystem: {"tty": ttys, "sound": sounds}[subsystem])


READY = {"SOUND_INITIALIZED": "1"}


def test_two_cards_whose_devices_appeared_in_any_order():
    there = context(
        [
            device("ttyACM0", "/usb/2", "/dev/ttyACM0", ID_SERIAL_SHORT="B7"),
            device("ttyACM1", "/usb/1", "/dev/ttyACM1", ID_SERIAL_SHORT="A3"),
            device("ttyS0", None, "/dev/ttyS0"),
            device("ttyACM2", "/usb/9", "/dev/ttyACM2", ID_SERIAL_SHORT="modem"),
        ],
        [
            device("card0", "/usb/1", **READY),
            device("controlC0", "/usb/1", **READY),
            device("card1", "/usb/2", **READY),
            device("card2", "/usb/8", **READY),
            device("card3", None, **READY),
        ],
    )
    assert [(card.id, card.tty, card.pcm) for card in find_cards(there)] == [
        ("A3", "/dev/ttyACM1", "hw:0"),
        ("B7", "/dev/ttyACM0", "hw:1"),
    ]
    assert find_card(there, "B7").path == "/usb/2"


def test_a_sound_card_that_udev_has_not_finished_is_not_there_yet():
    ttys = [device("ttyACM0", "/usb/2", "/dev/ttyACM0", ID_SERIAL_SHORT="B7")]
    there = context(ttys, [device("card1", "/usb/2")])
    with pytest.raises(BoardError, match="no line card 'B7' is plugged in; there: none"):
        find_card(there, "B7")


def test_without_a_serial_number_the_place_on_the_bus_is_the_name():
    ttys = [device("ttyACM0", "/usb/2", "/dev/ttyACM0", ID_PATH="pci-0000:00:14.0-usb-0:2")]
    assert find_cards(context(ttys, [device("card1", "/usb/2", **READY)]))[0].id == "pci-0000:00:14.0-usb-0:2"
