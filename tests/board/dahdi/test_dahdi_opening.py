"""Finding cards, setting up channels, and saying what is missing."""

import errno

import pytest
from dahdi_fake_kernel import LINE, PHONE, FakeChannel, FakeKernel, card

from board.api import BatteryLost, BoardError, OffHook, PortKind
from board.dahdi import DahdiBoard, DahdiSettings, find_cards, ioctls
from board.dahdi.kernel import Device
from board.registry import open_board


def two_cards():
    kernel = card(2, 2, span=1)
    for number, can in ((5, PHONE), (6, PHONE)):
        kernel.channels[number] = FakeChannel(number, 2, number - 4, can)
    kernel._devices["astribanks:xbus-00"] = Device("astribanks:xbus-00", "usb:X1056543", "usb-1.2", {2: 1}, 1)
    return kernel


def test_channels_are_set_up_by_what_the_hardware_can(bench):
    assert [bench.channel(n).signalling for n in (1, 2, 3, 4)] == [0x2004, 0x2004, 0x1020, 0x1020]
    for n in (1, 2, 3, 4):
        channel = bench.channel(n)
        assert (channel.linear, channel.block, channel.zone is not None) == (True, 160, True)
    kinds = [port.kind for port in bench.board.ports]
    assert kinds == [PortKind.FXO] * 2 + [PortKind.FXS] * 2


def test_names_are_stable(bench):
    assert bench.board.id == "dahdi-pci-0000-02-04.0"
    assert [port.name for port in bench.board.ports] == [f"dahdi-pci-0000-02-04.0/{i}" for i in range(4)]


def test_a_card_that_only_knows_loopstart():
    kernel = FakeKernel([FakeChannel(1, 1, 1, 0x2001), FakeChannel(2, 1, 2, 0x1008)])
    board = DahdiBoard(kernel=kernel)
    assert [kernel.channels[n].signalling for n in (1, 2)] == [0x2001, 0x1008]
    assert "battery" not in board.ports[0].can
    board.close()


def test_what_was_configured_is_kept():
    kernel = FakeKernel(
        [FakeChannel(1, 1, 1, LINE | PHONE, 0x1020), FakeChannel(2, 1, 2, LINE | PHONE, 0x2001)]
    )
    board = DahdiBoard(kernel=kernel)
    assert [port.kind for port in board.ports] == [PortKind.FXS, PortKind.FXO]
    assert [kernel.channels[n].signalling for n in (1, 2)] == [0x1020, 0x2001]
    board.close()


def test_digital_channels_are_left_alone():
    kernel = FakeKernel([FakeChannel(1, 1, 1, 0x80), FakeChannel(2, 1, 2, LINE)])
    board = DahdiBoard(kernel=kernel)
    assert len(board.ports) == 1
    assert kernel.channels[1].signalling == 0
    board.close()


def test_spans_without_numbers_get_them():
    kernel = card()
    kernel._devices["pci:0000:02:04.0"].spans = {}
    DahdiBoard(kernel=kernel).close()
    assert kernel.assigned == ["pci:0000:02:04.0"]


def test_the_tone_zone_of_an_earlier_run_is_used():
    kernel = card()
    DahdiBoard(kernel=kernel).close()
    DahdiBoard(kernel=kernel).close()
    assert len(kernel.zones) == 1


def test_timings_of_the_kernel():
    kernel = card()
    board = DahdiBoard("", DahdiSettings(flash_max_ms=500), kernel=kernel)
    assert kernel.channels[3].times[19] == 500
    assert (kernel.channels[3].times[20], kernel.channels[1].times[20]) == (100, 600)
    assert (kernel.channels[1].times[21], kernel.channels[1].times[22]) == (60, 40)
    board.close()


def test_capabilities_are_what_the_driver_answers():
    kernel = card()
    for n in (1, 3):
        kernel.channels[n].stats = (48000, 0, 0)
    kernel.channels[4].unknown = {ioctls.SETPOLARITY, ioctls.VMWI_CONFIG, ioctls.ONHOOKTRANSFER}
    board = DahdiBoard(kernel=kernel)
    assert [sorted(port.can) for port in board.ports] == [
        ["battery", "onhook-audio", "polarity", "voltage"],
        ["battery", "onhook-audio"],
        ["battery", "breaks", "lamp", "onhook-audio", "polarity", "voltage"],
        ["battery", "breaks"],
    ]
    board.close()


def test_a_dead_line_and_a_lifted_telephone_are_told_at_once(make_bench):
    kernel = card()
    kernel.channels[1].alarms = 8
    kernel.channels[3].rx_hook = 1
    bench = make_bench(kernel)
    assert [(type(event), event.port) for event in bench.run()] == [(BatteryLost, 0), (OffHook, 2)]


def test_cards_are_found_by_serial_number_or_place():
    cards = find_cards(two_cards())
    assert [(one.name, one.spans, one.lines, one.phones) for one in cards] == [
        ("pci-0000-02-04.0", (1,), 2, 2),
        ("usb-x1056543", (2,), 0, 2),
    ]


@pytest.mark.parametrize(
    ("address", "count", "name"),
    [
        ("", 6, "dahdi"),
        ("2", 2, "dahdi-usb-x1056543"),
        ("1,2", 6, "dahdi"),
        ("usb-x1056543", 2, "dahdi-usb-x1056543"),
    ],
)
def test_addresses(address, count, name):
    board = DahdiBoard(address, kernel=two_cards())
    assert (len(board.ports), board.id) == (count, name)
    board.close()


@pytest.mark.parametrize(
    ("address", "says"),
    [("3", "no analogue span 3; there are: 1, 2"), ("usb-x", "there are: pci-0000-02-04.0, usb-x1056543")],
)
def test_addresses_of_nothing(address, says):
    kernel = two_cards()
    with pytest.raises(BoardError, match=says):
        DahdiBoard(address, kernel=kernel)
    assert not kernel.files


def test_no_module():
    kernel = card()
    kernel.absent = True
    with pytest.raises(BoardError, match="module dahdi is not loaded"):
        DahdiBoard(kernel=kernel)


def test_no_cards():
    with pytest.raises(BoardError, match="is it fitted"):
        DahdiBoard(kernel=FakeKernel([]))


def test_this_machine_has_no_dahdi_and_the_address_says_so():
    with pytest.raises(BoardError, match="dahdi"):
        open_board("dahdi:")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("dahdi:1,colour=3", "no setting"),
        ("dahdi:flash_max_ms=9", "choose 250 to 1250"),
        ("dahdi:flash_max_ms=x", "whole number"),
    ],
)
def test_settings_in_the_address(address, says):
    with pytest.raises(BoardError, match=says):
        open_board(address)


@pytest.mark.parametrize(
    ("code", "says"),
    [(errno.EBUSY, "another program"), (errno.ENODEV, "removed"), (errno.ENXIO, "not configured")],
)
def test_a_channel_that_cannot_be_opened_closes_the_others(code, says):
    kernel = card()
    kernel.channels[3].faults[ioctls.SPECIFY] = [code]
    with pytest.raises(BoardError, match=says):
        DahdiBoard(kernel=kernel)
    assert not kernel.files


def test_signals_in_between_do_not_matter():
    kernel = card()
    kernel.channels[1].faults[ioctls.SETLINEAR] = [errno.EINTR] * 3
    DahdiBoard(kernel=kernel).close()


def test_closing_hangs_up_everything(bench):
    bench.board.close()
    bench.board.close()
    assert [bench.channel(n).hooks[-1] for n in (1, 2, 3, 4)] == [ioctls.HOOK_RINGOFF] * 4
    with pytest.raises(BoardError, match="closed"):
        bench.board.read()
