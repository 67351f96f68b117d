"""Fax machines for calls through the box: spandsp's T.30 terminal by ctypes, and pages to send.

Pages are bits, uint8 [rows, 216] of 1728 pixels each, in TIFF files that libtiff (which spandsp itself
needs) writes and reads, so that they are compared as they look and not as they are packed.

Sources of the interfaces: the headers of spandsp 0.0.6 (fax.h, t30.h, t30_api.h) and of libtiff 4.
"""

from __future__ import annotations

import ctypes
import time
from ctypes import CFUNCTYPE, byref, c_char_p, c_double, c_int, c_ssize_t, c_uint32, c_void_p
from dataclasses import dataclass, replace

import numpy as np

from board.sim import alaw
from tests.bench.dsp.peers import library, pointer, spandsp
from tests.engine.engine_box import Box, plan_data

BLOCK = 160
WIDTH = 1728
ROW_BYTES = WIDTH // 8

EXTENSION, NUMBER = "801", "13912345678"
"""Where the house's own machine is, and the number of the one outside."""
CED_SAMPLES = 8000 * 3
"""The answering tone is over by then (spandsp sends it for 2.6 s)."""
REVERSAL_SAMPLES = 3600
"""450 ms (V.25)."""
GIVES_UP_S = 10
"""A machine whose peer has ended the call is not waited for any longer."""
RELEASED_S = 3.0
"""By then the exchange has given the line back."""

PHASE_E = CFUNCTYPE(None, c_void_p, c_void_p, c_int)
DONE = 0
"""spandsp's `T30_ERR_OK`."""


class Facts(ctypes.Structure):
    """The beginning of spandsp's `t30_stats_t`, and room for the rest."""

    _fields_ = [("bit_rate", c_int), ("rest", c_int * 31)]


class FaxMachine:
    """Sends the pages of a file (`send`: it calls, with CNG) or receives pages into one (`receive`: it
    answers, with CED).

    ecm: error correction, when the other has it too. reversals: its answering tone turns over every 450 ms,
    as a fast modem's does (V.25).
    """

    def __init__(self, send=None, receive=None, ecm=True, reversals=False):
        self.lib = lib = spandsp()
        for name in ("fax_init", "fax_get_t30_state"):
            getattr(lib, name).restype = c_void_p
        self.state = c_void_p(lib.fax_init(None, c_int(send is not None)))
        self._t30 = c_void_p(lib.fax_get_t30_state(self.state))
        self._reversals = reversals
        self.code = None
        """How the call has ended, `DONE` or another of spandsp's `T30_ERR_…`; None while it is going on."""
        self.samples = 0
        self.spent_s = 0.0
        """Processor time of the two calls into the library that a tick needs."""
        self._phase_e = PHASE_E(self._ended)
        lib.fax_set_transmit_on_idle(self.state, c_int(1))
        lib.t30_set_phase_e_handler(self._t30, self._phase_e, None)
        lib.t30_set_ecm_capability(self._t30, c_int(ecm))
        if send is not None:
            lib.t30_set_tx_file(self._t30, c_char_p(str(send).encode()), c_int(-1), c_int(-1))
        if receive is not None:
            lib.t30_set_rx_file(self._t30, c_char_p(str(receive).encode()), c_int(-1))

    def _ended(self, _t30, _user, code):
        self.code = code

    @property
    def bit_rate(self):
        """Of the last page."""
        facts = Facts()
        self.lib.t30_get_transfer_statistics(self._t30, byref(facts))
        return facts.bit_rate

    def use(self, telephone):
        """20 ms at a telephone of the simulated office, once it is up and has dialled."""
        if telephone.state not in ("talking", "off_hook") or telephone.pending:
            return
        said, heard = np.zeros(BLOCK, np.int16), telephone.listen()
        into, of = pointer(said), pointer(heard)
        begin_s = time.thread_time()
        self.lib.fax_tx(self.state, into, BLOCK)
        self.lib.fax_rx(self.state, of, BLOCK)
        self.spent_s += time.thread_time() - begin_s
        if self._reversals and self.samples < CED_SAMPLES:
            at = np.arange(self.samples, self.samples + BLOCK)
            said[at // REVERSAL_SAMPLES % 2 == 1] *= -1
        self.samples += BLOCK
        telephone.feed(said)

    def close(self):
        self.lib.fax_free(self.state)


def calls_s(ticks):
    """Processor time that calling the library twice a tick takes, by a function that does nothing."""
    machine, block = FaxMachine(), np.zeros(BLOCK, np.int16)
    start, spent_s = pointer(block), 0.0
    for _ in range(ticks):
        begin_s = time.thread_time()
        machine.lib.fax_get_t30_state(machine.state, start, BLOCK)
        machine.lib.fax_get_t30_state(machine.state, start, BLOCK)
        spent_s += time.thread_time() - begin_s
    machine.close()
    return spent_s


# ------------------------------------------------------------------------ calls
def a_box(root, phone_erl_db=14.0, plan=None, **line):
    """A box with one line and one telephone, the fax machine's. line: settings of its `LineConfig`.

    Its ports have A-law codecs in both directions; the exchange of the simulated office is another.
    """
    if plan is None:
        plan = plan_data(1, 1)
        plan["lines"][0]["extension"] = EXTENSION
    office = {"line": {"erl_db": 12.0, **line}, "phone": {"erl_db": phone_erl_db}}
    box = Box(root, 1, 1, office, plan)
    read, write = box.board.read, box.board.write

    def coded(audio):
        return alaw.cross(audio.astype(np.float32)).astype(np.int16)

    def read_coded():
        tick = read()
        return replace(tick, audio=coded(tick.audio))

    box.board.read, box.board.write = read_coded, lambda audio: write(coded(audio))
    return box


@dataclass(frozen=True)
class Transfer:
    """What became of a fax. spent_s: what the two machines took, for `seconds` of each."""

    pages: list
    codes: tuple
    bit_rate: int
    spent_s: float
    seconds: float


def transfer(box, folder, pages, inbound=True, ecm=True, reversals=False):
    """Send pages in a call through the box, to the machine in the house or from it; until both have ended."""
    sent, received = folder / "sent.tif", folder / "received.tif"
    received.unlink(missing_ok=True)
    write_pages(sent, pages)
    sender = FaxMachine(send=sent, ecm=ecm)
    receiver = FaxMachine(receive=received, ecm=ecm, reversals=reversals)
    house, outside = box.phone(EXTENSION), box.office.subscriber(NUMBER, "answer")
    if inbound:
        outside.call(0)
        places = {sender: outside, receiver: house}
    else:
        house.lift()
        box.run(1.0)
        house.press(f"9{NUMBER}")
        places = {sender: house, receiver: outside}
    assert outside.state != "busy_tone", "the line of the last call is not free yet"
    waited = 0
    while (codes := (sender.code, receiver.code)).count(None) and waited < GIVES_UP_S * 50:
        if house.ringing:
            house.lift()
        box.engine.run_tick()
        for machine, telephone in places.items():
            machine.use(telephone)
        waited += codes.count(None) == 1
    seconds = (sender.samples + receiver.samples) / 2 / 8000
    found = codes, receiver.bit_rate, sender.spent_s + receiver.spent_s, seconds
    for machine in places:
        machine.close()
    house.hang_up()
    outside.hang_up()
    box.until(lambda: box.engine.idle, 20)
    box.run(RELEASED_S)
    return Transfer(read_pages(received), *found)


def alike(pages, arrived):
    """How many pages have arrived in their place and bit by bit as they were sent."""
    return sum(map(np.array_equal, pages, arrived))


# ------------------------------------------------------------------------ pages
WIDTH_TAG, LENGTH_TAG, BITS_TAG, COMPRESSION_TAG, PHOTOMETRIC_TAG = 256, 257, 258, 259, 262
SAMPLES_TAG, STRIP_TAG, X_RESOLUTION_TAG, Y_RESOLUTION_TAG, UNIT_TAG = 277, 278, 282, 283, 296
GROUP_4, WHITE_IS_0, INCH = 4, 0, 2
STANDARD_PER_INCH = {X_RESOLUTION_TAG: 204.0, Y_RESOLUTION_TAG: 98.0}


def tiff():
    """libtiff, with the types of what is called."""
    lib = library("libtiff.so.6", "libtiff6")
    lib.TIFFOpen.restype = c_void_p
    lib.TIFFReadEncodedStrip.restype = c_ssize_t
    return lib


def a_page(rng, rows):
    """Something like writing: words of strokes, and white between the lines."""
    page = np.zeros((rows, WIDTH), np.bool_)
    for top in range(4, rows - 12, 16):
        at = int(rng.integers(60, 200))
        while at < WIDTH - 120:
            width = int(rng.integers(6, 14))
            page[top : top + 10, at : at + width] = rng.random((10, width)) < 0.5
            at += width + int(rng.choice([3, 4, 22]))
    return np.packbits(page, axis=1)


def write_pages(path, pages):
    lib = tiff()
    file = c_void_p(lib.TIFFOpen(str(path).encode(), b"w"))
    for page in pages:
        fields = {
            WIDTH_TAG: WIDTH,
            LENGTH_TAG: len(page),
            STRIP_TAG: len(page),
            BITS_TAG: 1,
            SAMPLES_TAG: 1,
            COMPRESSION_TAG: GROUP_4,
            PHOTOMETRIC_TAG: WHITE_IS_0,
            UNIT_TAG: INCH,
        }
        for tag, value in fields.items():
            lib.TIFFSetField(file, c_int(tag), c_int(value))
        for tag, per_inch in STANDARD_PER_INCH.items():
            lib.TIFFSetField(file, c_int(tag), c_double(per_inch))
        lib.TIFFWriteEncodedStrip(file, c_int(0), page.ctypes.data_as(c_void_p), c_ssize_t(page.size))
        lib.TIFFWriteDirectory(file)
    lib.TIFFClose(file)


def read_pages(path):
    """All pages of a file; none when nothing was received."""
    if not path.exists():
        return []
    lib, pages = tiff(), []
    file = c_void_p(lib.TIFFOpen(str(path).encode(), b"r"))
    more = file.value is not None
    while more:
        rows = c_uint32()
        lib.TIFFGetField(file, c_int(LENGTH_TAG), byref(rows))
        page, at = np.zeros((rows.value, ROW_BYTES), np.uint8), 0
        for strip in range(lib.TIFFNumberOfStrips(file)):
            rest = page.reshape(-1)[at:]
            into, room = rest.ctypes.data_as(c_void_p), c_ssize_t(rest.size)
            at += max(0, lib.TIFFReadEncodedStrip(file, c_int(strip), into, room))
        pages.append(page)
        more = lib.TIFFReadDirectory(file)
    if file.value is not None:
        lib.TIFFClose(file)
    return pages
