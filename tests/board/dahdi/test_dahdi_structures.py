"""Numbers and structures against the kernel's header (values printed by a C compiler from user.h)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.dahdi import ioctls

REQUESTS = {
    "FLUSH": 0x4004DA03,
    "GET_PARAMS": 0xC088DA05,
    "SET_PARAMS": 0x4088DA05,
    "HOOK": 0x4004DA07,
    "GETEVENT": 0x8004DA08,
    "SPANSTAT": 0xC13ADA0A,
    "CHANCONFIG": 0x404CDA13,
    "SETTONEZONE": 0x4004DA16,
    "LOADZONE": 0x4070DA19,
    "SET_BUFINFO": 0x4018DA1B,
    "DIAL": 0x4104DA1F,
    "SPECIFY": 0x4004DA26,
    "SETLAW": 0x4004DA27,
    "SETLINEAR": 0x4004DA28,
    "SETCADENCE": 0x4040DA2A,
    "ONHOOKTRANSFER": 0x4004DA33,
    "WCTDM_GET_STATS": 0x800CDA3C,
    "DYNAMIC_CREATE": 0xC048DA50,
    "DYNAMIC_DESTROY": 0x4048DA51,
    "SETPOLARITY": 0x4004DA5C,
    "VMWI": 0xC004DA5E,
    "VMWI_CONFIG": 0x4004DA5F,
    "STARTUP": 0x4004DA63,
    "BUFFER_EVENTS": 0x4004DA69,
}
SIZES = {
    "PARAMS": 136,
    "SPAN_INFO": 314,
    "BUFFER_INFO": 24,
    "CHANNEL_CONFIG": 76,
    "TONE_ZONE_HEADER": 112,
    "DIAL_OPERATION": 260,
    "RING_CADENCE": 64,
    "LINE_STATS": 12,
    "DYNAMIC_SPAN": 72,
}


@pytest.mark.parametrize(("name", "value"), REQUESTS.items())
def test_request_numbers(name, value):
    assert getattr(ioctls, name) == value


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_structure_sizes(name, size):
    assert getattr(ioctls, name).size == size


def test_event_numbers():
    assert (ioctls.EVENT_NOALARM, ioctls.EVENT_DIALCOMPLETE, ioctls.EVENT_RINGERON) == (5, 9, 10)
    assert (ioctls.EVENT_HOOKCOMPLETE, ioctls.EVENT_PULSE_START) == (12, 14)
    assert (ioctls.EVENT_POLARITY, ioctls.EVENT_RINGBEGIN, ioctls.EVENT_REMOVED) == (17, 18, 20)
    assert (ioctls.EVENT_READ_OVERRUN, ioctls.EVENT_WRITE_UNDERRUN) == (29, 30)


numbers = st.integers(-(2**31), 2**31 - 1)


@given(
    st.lists(numbers, min_size=23, max_size=23),
    st.text("abcWCTDM/01", max_size=39),
    st.integers(0, 2**32 - 1),
)
def test_params_are_the_same_after_packing(values, name, alarms):
    params = ioctls.Params(*values[:12], name, *values[12:], alarms)
    assert ioctls.Params.unpack(params.pack()) == params


@given(st.binary(min_size=136, max_size=136))
def test_any_params_of_the_kernel_can_be_read(data):
    assert isinstance(ioctls.Params.unpack(data).name, str)


@given(st.binary(min_size=314, max_size=314))
def test_any_span_of_the_kernel_can_be_read(data):
    found = ioctls.SpanInfo.unpack(data)
    assert found.channels == int.from_bytes(data[124:128], "little", signed=True)
    assert found.location == data[180:220].split(b"\0")[0].decode("utf-8", "replace")


def test_places_of_fields_that_matter():
    data = ioctls.Params(rx_flash_ms=700, alarms=8, rx_hook=1).pack()
    assert (data[112:116], data[132:136], data[36:40]) == (b"\xbc\x02\0\0", b"\x08\0\0\0", b"\x01\0\0\0")


@given(st.lists(st.integers(20, 60000), min_size=2, max_size=16).filter(lambda pairs: len(pairs) % 2 == 0))
def test_ring_cadences_end_with_nothing(cadence):
    found = ioctls.RING_CADENCE.unpack(ioctls.ring_cadence(cadence))
    assert list(found[: len(cadence)]) == cadence
    assert not any(found[len(cadence) :])


@pytest.mark.parametrize("cadence", [(), (1000,), (1000, 4000) * 9, (10, 4000), (1000, 70000)])
def test_ring_cadences_that_the_kernel_cannot_ring(cadence):
    with pytest.raises(ValueError, match="ring cadence"):
        ioctls.ring_cadence(cadence)
