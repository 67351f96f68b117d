"""Cards from devices: what is found, named, missing, and that order never matters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.hotplug import CardChanged, CardFound, CardLost, Device, Event, Inventory
from board.hotplug.known import KNOWN, lookup

USB = "/devices/pci0000:00/0000:00:14.0/usb1/1-{}"


def line_card(place="1", serial="ZJ0001", sound_ready=True, number=0):
    """The devices of one line card, as udev shows them."""
    top = USB.format(place)
    return [
        Device(top, "usb", f"1-{place}", top, ids="1209:5a4a", serial=serial, driver="usb"),
        Device(f"{top}/1-{place}:1.0/tty/ttyACM{number}", "tty", f"ttyACM{number}", top, serial=serial,
               place=f"pci-usb-0:{place}:1.0", node=f"/dev/ttyACM{number}"),
        Device(f"{top}/1-{place}:1.2/sound/card{number}", "sound", f"card{number}", top, ready=sound_ready),
    ]  # fmt: skip


def modem(place="5", ids="0baf:0303"):
    top = USB.format(place)
    link = f"/dev/serial/by-path/pci-usb-0:{place}:1.0"
    return [
        Device(top, "usb", f"1-{place}", top, ids=ids, serial="0002", place=f"usb-0:{place}", driver="usb"),
        Device(f"{top}/a/ttyACM0", "tty", "ttyACM0", top, interface="00", node="/dev/ttyACM0", link=link),
    ]


def pci(ids="d161:8005", driver="", subvendor="b1b7", slot="0000:02:08.0"):
    top = f"/devices/pci0000:00/{slot}"
    return Device(top, "pci", slot, top, ids=ids, subvendor=subvendor, place=f"pci-{slot}", driver=driver)


def added(*devices):
    return [Event("add", device) for device in devices]


def removed(*devices):
    return [Event("remove", device) for device in devices]


def only(changes):
    (change,) = changes
    return change


# -------------------------------------------------------------------- line cards
def test_a_line_card_is_found_when_its_sound_is_ready_and_not_before():
    inventory = Inventory()
    top, tty, sound = line_card(sound_ready=False)
    assert inventory.step(added(top, tty, sound)) == []
    change = only(inventory.step([Event("change", replace(sound, ready=True))]))
    assert isinstance(change, CardFound)
    assert (change.card.name, change.card.address) == ("ZJ0001", "linecard:ZJ0001")
    assert change.card.usable


def test_a_pulled_card_is_lost_alone_and_comes_back_with_its_name():
    inventory = Inventory()
    one, two = line_card("1", "ZJ0001", number=0), line_card("2", "ZJ0002", number=1)
    inventory.step(added(*one, *two))
    change = only(inventory.step(removed(*reversed(one))))
    assert isinstance(change, CardLost) and change.card.name == "ZJ0001"
    assert [card.name for card in inventory.cards] == ["ZJ0002"]
    # Now behind another socket and with other numbers.
    again = only(inventory.step(added(*line_card("7", "ZJ0001", number=4))))
    assert isinstance(again, CardFound) and again.card.name == "ZJ0001"


def test_when_the_usb_device_goes_first_its_parts_go_with_it():
    inventory = Inventory()
    card = line_card()
    inventory.step(added(*card))
    assert isinstance(only(inventory.step(removed(card[0]))), CardLost)
    assert inventory.step(removed(*card[1:])) == []
    assert isinstance(only(inventory.step(added(*card))), CardFound)


def test_parts_of_a_card_that_was_pulled_do_not_count_for_what_is_plugged_in_there_next():
    inventory = Inventory()
    top, tty, sound = line_card()
    inventory.step(added(top, tty, sound))
    inventory.step(removed(top))
    assert inventory.step(added(top)) == []
    assert inventory.step(added(tty)) == []
    assert isinstance(only(inventory.step(added(sound))), CardFound)


def test_without_a_serial_number_the_place_on_the_bus_is_the_name():
    inventory = Inventory()
    change = only(inventory.step(added(*line_card("3", serial=""))))
    assert change.card.name == "pci-usb-0:3:1.0"


def test_two_cards_with_one_serial_number_are_told_apart_and_one_is_named_as_wrong():
    inventory = Inventory()
    changes = inventory.step(added(*line_card("1", "SAME"), *line_card("2", "SAME", number=1)))
    good, bad = sorted((change.card for change in changes), key=lambda card: card.hardware)
    assert good.usable and not bad.usable
    assert good.name != bad.name
    assert "serial number SAME" in bad.problem


def test_a_usb_serial_adapter_and_a_headset_are_no_cards():
    inventory = Inventory()
    top, tty, sound = line_card()
    assert inventory.step(added(top, tty)) == []
    other = USB.format("9")
    assert inventory.step(added(Device(other, "usb", "1-9", other, ids="1:2"))) == []
    assert inventory.step(added(replace(sound, path=f"{other}/card1", hardware=other))) == []


# ------------------------------------------------------------------ known hardware
def test_a_voice_modem_is_opened_by_its_stable_link():
    change = only(Inventory().step(added(*modem())))
    assert change.card.address == "modem:/dev/serial/by-path/pci-usb-0:5:1.0,id=usb-0:5"


def test_two_modems_of_one_make_share_their_serial_number_and_are_named_by_place():
    inventory = Inventory()
    inventory.step(added(*modem("5"), *modem("6")))
    assert [(card.name, card.usable) for card in inventory.cards] == [("usb-0:5", True), ("usb-0:6", True)]


def test_a_cellular_module_is_opened_by_the_port_that_takes_commands():
    top = USB.format("4")
    ports = [
        Device(f"{top}/ttyUSB{n}", "tty", f"ttyUSB{n}", top, interface=f"0{n}", node=f"/dev/ttyUSB{n}")
        for n in range(4)
    ]
    inventory = Inventory(lambda driver: "loaded")
    inventory.step(added(Device(top, "usb", "1-4", top, ids="2c7c:0125", place="pci-usb-0:4"), *ports[:2]))
    assert not inventory.cards[0].usable
    change = only(inventory.step(added(*ports[2:])))
    assert isinstance(change, CardChanged)
    assert change.card.address == "cellular:/dev/ttyUSB2,id=pci-usb-0:4,audio=/dev/ttyUSB1"


def test_a_cellular_module_without_a_serial_sound_port_uses_its_usb_sound():
    top = USB.format("4")
    inventory = Inventory(lambda driver: "loaded")
    port = Device(f"{top}/ttyUSB2", "tty", "ttyUSB2", top, interface="02", node="/dev/ttyUSB2")
    sound = Device(f"{top}/card3", "sound", "card3", top, ready=False)
    inventory.step(added(Device(top, "usb", "1-4", top, ids="2c7c:0125", place="usb-4"), port, sound))
    assert not inventory.cards[0].usable
    inventory.step([Event("change", replace(sound, ready=True))])
    assert inventory.cards[0].address == "cellular:/dev/ttyUSB2,id=usb-4,audio=alsa:plughw:3"


@pytest.mark.parametrize(
    "state, words",
    [
        ("absent", "driver wctdm24xxp is not installed: install Debian's dahdi-dkms"),
        ("installed", "driver wctdm24xxp is not loaded: run modprobe wctdm24xxp"),
        ("loaded", "driver wctdm24xxp is loaded but does not offer it"),
    ],
)
def test_a_pci_card_without_its_driver_says_what_is_missing(state, words):
    change = only(Inventory(lambda driver: state).step(added(pci())))
    assert words in change.card.problem
    assert change.card.address == ""
    assert change.card.name == "pci-0000-02-08.0"


def test_a_pci_card_that_another_driver_holds():
    change = only(Inventory(lambda driver: "loaded").step(added(pci(driver="netjet"))))
    assert "unload netjet" in change.card.problem


def test_a_card_whose_module_debian_does_not_install_says_so():
    change = only(Inventory(lambda driver: "absent").step(added(pci(ids="d161:8010"))))
    assert "DAHDI built from source" in change.card.problem


def test_a_channel_bank_without_firmware():
    top = USB.format("6")
    change = only(Inventory().step(added(Device(top, "usb", "1-6", top, ids="e4e4:1150"))))
    assert "firmware missing" in change.card.problem and "plug it in again" in change.card.problem


def test_loading_the_driver_makes_the_card_usable_under_dahdis_name():
    inventory = Inventory(lambda driver: "installed")
    card = pci()
    inventory.step(added(card))
    shown = Device("/devices/x/pci:0000:02:08.0", "dahdi_devices", "pci:0000:02:08.0", card.path)
    change = only(inventory.step(added(shown)))
    assert isinstance(change, CardChanged)
    assert (change.before.name, change.card.name) == ("pci-0000-02-08.0", "pci-0000-02-08.0")
    assert change.card.address == "dahdi:pci-0000-02-08.0"
    assert inventory.cards[0].usable


def test_a_test_span_on_no_bus_is_a_card_too():
    change = only(Inventory().step(added(Device("/devices/d/dyn", "dahdi_devices", "dynamic:loc:1:0"))))
    assert change.card.address == "dahdi:dynamic-loc-1-0"


def test_cards_that_share_ids_are_told_apart_by_the_maker():
    assert lookup("pci", "e159:0001", "9100").driver == "opvxa1200"
    assert lookup("pci", "e159:0001", "8085").driver == "wcfxo"
    assert lookup("pci", "e159:0001", "b100").driver == "wctdm"
    assert lookup("pci", "1057:5608", "ffff").driver == "wcfxo"
    assert lookup("usb", "1234:5678") is None


def test_no_two_entries_claim_the_same_hardware():
    seen = [(one.bus, ids, sub) for one in KNOWN for ids in one.ids for sub in one.subvendors or ("",)]
    assert len(seen) == len(set(seen))
    for one in KNOWN:
        for ids in (*one.ids, *one.unloaded):
            vendor, colon, device = ids.partition(":")
            assert colon and len(vendor) == len(device) == 4 and ids == ids.lower()


# ---------------------------------------------------------------------- any order
PIECES = [*line_card("1", "ZJ0001"), *line_card("2", "ZJ0002", number=1), *modem(), pci(driver="wctdm24xxp")]


@given(
    st.lists(st.tuples(st.sampled_from(["add", "change", "remove"]), st.sampled_from(PIECES)), max_size=40)
)
def test_what_is_known_depends_on_what_is_there_and_not_on_the_way_there(steps):
    stepwise, told = Inventory(), {}
    there: dict[str, Device] = {}
    for action, device in steps:
        for change in stepwise.step([Event(action, device)]):
            key = change.card.hardware
            if isinstance(change, CardLost):
                assert told.pop(key) == change.card, "only what was told can be lost"
            elif isinstance(change, CardFound):
                assert key not in told
                told[key] = change.card
            else:
                assert told[key] == change.before
                told[key] = change.card
        if action == "remove":
            there = {p: d for p, d in there.items() if device.path not in (p, d.hardware)}
        else:
            there[device.path] = device
    at_once = Inventory()
    at_once.step(added(*there.values()))
    assert stepwise.cards == at_once.cards
    assert sorted(told.values(), key=lambda card: (card.scheme, card.name)) == stepwise.cards


@given(st.permutations(PIECES))
def test_names_do_not_depend_on_the_order_of_plugging(order):
    inventory = Inventory()
    inventory.step(added(*order))
    assert [card.name for card in inventory.cards] == ["pci-0000-02-08.0", "ZJ0001", "ZJ0002", "usb-0:5"]
