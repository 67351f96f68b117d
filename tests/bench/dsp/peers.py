"""The peers, as far as they are installed: libraries by ctypes, programs by subprocess.

They are measured, never used by the product. `need` raises `Missing` with the Debian or PyPI name
of what is not there; the bench says so in the peer's place.

Sources of the interfaces: the headers of spandsp 0.0.6 and SpeexDSP 1.2, the manual pages of
multimon-ng and minimodem.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
import time
from ctypes import CFUNCTYPE, POINTER, byref, c_int, c_int16, c_uint8, c_void_p
from pathlib import Path

import numpy as np

from tests.dsp.echo_lines import BLOCK

SPANDSP, SPEEX, MULTIMON, MINIMODEM = "libspandsp2", "libspeexdsp1", "multimon-ng", "minimodem"
MULTIMON_HZ = 22050


class Missing(Exception):
    """A peer that is not installed; the text is its package."""


@functools.cache
def library(name, package):
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise Missing(package) from error


def spandsp():
    """The library, with the types of what is called."""
    lib = library("libspandsp.so.2", SPANDSP)
    for name in (
        "dtmf_rx_init",
        "adsi_rx_init",
        "echo_can_init",
        "super_tone_rx_make_descriptor",
        "super_tone_rx_init",
    ):
        getattr(lib, name).restype = c_void_p
    lib.echo_can_update.restype = c_int16
    return lib


def speex():
    lib = library("libspeexdsp.so.1", SPEEX)
    lib.speex_echo_state_init.restype = c_void_p
    lib.speex_preprocess_state_init.restype = c_void_p
    return lib


def program(name):
    path = shutil.which(name)
    if path is None:
        raise Missing(name)
    return path


def pcm(x):
    """Contiguous int16 of samples on the 16-bit scale."""
    return np.ascontiguousarray(np.clip(np.rint(x), -32768, 32767).astype(np.int16))


def pointer(x):
    return x.ctypes.data_as(POINTER(c_int16))


@contextlib.contextmanager
def no_chatter():
    """Debian's spandsp prints two lines for every sample that its echo canceller takes: not here."""
    libc = ctypes.CDLL(None)
    libc.fflush(None)
    kept = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        libc.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


# ------------------------------------------------------------------------ DTMF
def spandsp_dtmf(x, dial_tone_filter=False):
    """Keys that spandsp hears in samples [n]."""
    lib, x = spandsp(), pcm(x)
    receiver = c_void_p(lib.dtmf_rx_init(None, None, None))
    if dial_tone_filter:
        # The filter on; twists and threshold as they were (whole decibels in 0.0.6, not floats).
        lib.dtmf_rx_parms(receiver, c_int(1), c_int(-1), c_int(-1), c_int(-99))
    heard = b""
    space = ctypes.create_string_buffer(130)
    for at in range(0, len(x), 800):
        part = x[at : at + 800]
        lib.dtmf_rx(receiver, pointer(part), c_int(len(part)))
        lib.dtmf_rx_get(receiver, space, c_int(128))
        heard += space.value
    lib.dtmf_rx_free(receiver)
    return heard.decode()


def multimon_dtmf(x):
    """Keys that multimon-ng hears; it wants 22 050 samples per second."""
    path = program(MULTIMON)
    size = 1 << (len(x) - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    wanted = round(size * MULTIMON_HZ / 8000)
    fine = np.fft.irfft(np.pad(spectrum, (0, wanted // 2 + 1 - len(spectrum))), wanted) * wanted / size
    raw = pcm(fine[: round(len(x) * MULTIMON_HZ / 8000)]).tobytes()
    done = subprocess.run(
        [path, "-q", "-t", "raw", "-a", "DTMF", "-"], input=raw, capture_output=True, check=True
    )
    return "".join(
        line[6:].strip() for line in done.stdout.decode().splitlines() if line.startswith("DTMF: ")
    )


# ------------------------------------------------------------------- caller ID
PUT_MESSAGE = CFUNCTYPE(None, c_void_p, POINTER(c_uint8), c_int)
CLASS, CLIP = 1, 2
"""spandsp's names for Bell 202 and V.23 caller ID."""


def spandsp_callerid(x, standard):
    """Messages, as octets, that spandsp receives in samples [n]."""
    lib, x, heard = spandsp(), pcm(x), []
    put = PUT_MESSAGE(lambda _, octets, n: heard.append(bytes(octets[:n])))
    receiver = c_void_p(lib.adsi_rx_init(None, c_int(standard), put, None))
    for at in range(0, len(x), BLOCK):
        part = x[at : at + BLOCK]
        lib.adsi_rx(receiver, pointer(part), c_int(len(part)))
    lib.adsi_rx_free(receiver)
    return heard


def minimodem_fsk(octets, tones_hz, baud=1200):
    """Octets as FSK made by minimodem, float64 [n] on the 16-bit scale."""
    path = program(MINIMODEM)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sent.wav"
        tones = ["--mark", str(tones_hz[0]), "--space", str(tones_hz[1])]
        form = ["--samplerate", "8000", "--startbits", "1", "--stopbits", "1.0", "--volume", "0.2"]
        subprocess.run(
            [path, "--tx", str(baud), *tones, *form, "--binary-output", "--file", str(file)],
            input=octets,
            capture_output=True,
            check=True,
        )
        return np.frombuffer(file.read_bytes()[44:], "<i2").astype(float)


# ------------------------------------------------------------------------ echo
ADAPT, NLP, CNG = 0x01, 0x02, 0x04


class SpandspEcho:
    """spandsp's line echo canceller, by default with its non-linear processor and comfort noise."""

    def __init__(self, ports, taps=256, mode=ADAPT | NLP | CNG):
        self._lib = spandsp()
        self._states = [c_void_p(self._lib.echo_can_init(c_int(taps), c_int(mode))) for _ in range(ports)]

    def process(self, far, near):
        out = np.empty_like(near)
        for state, sent, heard, clean in zip(
            self._states, pcm(far).tolist(), pcm(near).tolist(), out, strict=True
        ):
            update = self._lib.echo_can_update
            with no_chatter():
                clean[:] = [update(state, a, b) for a, b in zip(sent, heard, strict=True)]
        return out

    def close(self):
        for state in self._states:
            self._lib.echo_can_free(state)


def linear_spandsp(ports, taps=256):
    """Its adaptive filter alone."""
    return SpandspEcho(ports, taps, ADAPT)


class SpeexEcho:
    """SpeexDSP's echo canceller and, as its manual says, the residual suppression of its preprocessor."""

    SET_DENOISE, GET_FRAME_SIZE, SET_ECHO_STATE, SET_SAMPLING_RATE = 0, 3, 24, 24

    def __init__(self, ports, taps=256):
        self._lib = lib = speex()
        self.states = []
        for _ in range(ports):
            echo = c_void_p(lib.speex_echo_state_init(BLOCK, taps))
            lib.speex_echo_ctl(echo, self.SET_SAMPLING_RATE, byref(c_int(8000)))
            rest = c_void_p(lib.speex_preprocess_state_init(BLOCK, 8000))
            lib.speex_preprocess_ctl(rest, self.SET_DENOISE, byref(c_int(0)))
            lib.speex_preprocess_ctl(rest, self.SET_ECHO_STATE, echo)
            self.states.append((echo, rest))

    def process(self, far, near):
        far, near = pcm(far), pcm(near)
        out = np.empty_like(near)
        for (echo, rest), sent, heard, clean in zip(self.states, far, near, out, strict=True):
            self._lib.speex_echo_cancellation(echo, pointer(heard), pointer(sent), pointer(clean))
            self._lib.speex_preprocess_run(rest, pointer(clean))
        return out.astype(np.float32)

    def close(self):
        for echo, rest in self.states:
            self._lib.speex_preprocess_state_destroy(rest)
            self._lib.speex_echo_state_destroy(echo)


# ----------------------------------------------------------------------- tones
REPORT = CFUNCTYPE(None, c_void_p, c_int, c_int, c_int)


def spandsp_tone_seconds(x, frequencies_hz, cadence_ms):
    """When spandsp's tone detector first says that a cadenced tone is there, or None.

    It is told the tone with 15 % of tolerance on its times, and two and a half cycles.
    """
    lib, x = spandsp(), pcm(x)
    descriptor = c_void_p(lib.super_tone_rx_make_descriptor(None))
    tone = lib.super_tone_rx_add_tone(descriptor)
    first, second = (*map(int, frequencies_hz), 0)[:2]
    for i, ms in enumerate((*cadence_ms, *cadence_ms, cadence_ms[0])):
        pair = (first, second) if i % 2 == 0 else (0, 0)
        lib.super_tone_rx_add_element(descriptor, tone, *pair, int(ms * 0.85), int(ms * 1.15))
    at_samples = [0]
    heard = []
    report = REPORT(lambda _, code, level, delay: heard.append(at_samples[0]) if code == tone else None)
    receiver = c_void_p(lib.super_tone_rx_init(None, descriptor, report, None))
    for at in range(0, len(x), BLOCK):
        part = x[at : at + BLOCK]
        at_samples[0] = at + len(part)
        lib.super_tone_rx(receiver, pointer(part), c_int(len(part)))
        if heard:
            break
    lib.super_tone_rx_free(receiver)
    lib.super_tone_rx_free_descriptor(descriptor)
    return heard[0] / 8000 if heard else None


# ----------------------------------------------------------------------- voice
def webrtc_voice(x):
    """Per 20 ms frame, whether webrtcvad hears speech in samples [n]."""
    try:
        import webrtcvad
    except ImportError as error:
        raise Missing("webrtcvad-wheels (PyPI)") from error
    vad = webrtcvad.Vad(2)
    raw = pcm(x)
    return np.array(
        [
            vad.is_speech(raw[i : i + BLOCK].tobytes(), 8000)
            for i in range(0, len(raw) // BLOCK * BLOCK, BLOCK)
        ]
    )


# ------------------------------------------------------------------------ cost
LOOP = """
typedef short (*update_t)(void *, short, short);
void echo_loop(update_t update, void **states, int ports, const short *far, const short *near, short *out,
               int n)
{
    for (int p = 0; p < ports; p++)
        for (int i = 0; i < n; i++)
            out[p*n + i] = update(states[p], far[p*n + i], near[p*n + i]);
}
"""


@functools.cache
def _loop():
    """A loop in C around spandsp's function for one sample, so that no call from Python is counted."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Missing("a C compiler, to time spandsp without Python")
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "loop.c", Path(folder) / "loop.so"
        source.write_text(LOOP)
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
        return ctypes.CDLL(str(library))


def spandsp_echo_cost(far, near):
    """Share of a core for all rows of int16 [ports, n], by processor time of this thread.

    Debian's build formats and prints two lines a sample; that is in the figure.
    """
    echo, loop = SpandspEcho(len(far)), _loop()
    states = (c_void_p * len(far))(*[s.value for s in echo._states])
    out = np.empty_like(near)
    begin_s = time.thread_time()
    update = spandsp().echo_can_update
    with no_chatter():
        loop.echo_loop(update, states, len(far), pointer(far), pointer(near), pointer(out), far.shape[1])
    took_s = time.thread_time() - begin_s
    echo.close()
    return took_s / (far.shape[1] / 8000)


def speex_echo_cost(far, near, preprocessor=True):
    """Share of a core for all rows of int16 [ports, n], the calls from Python taken off.

    preprocessor: with its residual suppression, as its manual says; else the canceller alone.
    """
    echo, lib = SpeexEcho(len(far)), speex()
    out = np.empty(BLOCK, np.int16)
    clean = pointer(out)
    calls = [
        (state, rest, pointer(heard[i : i + BLOCK]), pointer(sent[i : i + BLOCK]))
        for i in range(0, far.shape[1] // BLOCK * BLOCK, BLOCK)
        for (state, rest), heard, sent in zip(echo.states, near, far, strict=True)
    ]
    begin_s = time.thread_time()
    for state, rest, heard, sent in calls:
        lib.speex_echo_cancellation(state, heard, sent, clean)
        if preprocessor:
            lib.speex_preprocess_run(rest, clean)
    took_s = time.thread_time() - begin_s
    # What the calls from Python alone take, by a function that does next to nothing.
    size = c_int()
    begin_s = time.thread_time()
    for state, _, _, _ in calls:
        for _ in range(1 + preprocessor):
            lib.speex_echo_ctl(state, SpeexEcho.GET_FRAME_SIZE, byref(size), None)
    calls_s = time.thread_time() - begin_s
    echo.close()
    return max(took_s - calls_s, 0.0) / (far.shape[1] / 8000)


def spandsp_dtmf_cost(x):
    """Share of a core for one receiver per row of int16 [ports, n], in calls of a tick each."""
    lib = spandsp()
    receivers = [c_void_p(lib.dtmf_rx_init(None, None, None)) for _ in x]
    starts = [
        [pointer(row[i : i + BLOCK]) for row in x] for i in range(0, x.shape[1] // BLOCK * BLOCK, BLOCK)
    ]
    begin_s = time.thread_time()
    for tick in starts:
        for receiver, start in zip(receivers, tick, strict=True):
            lib.dtmf_rx(receiver, start, BLOCK)
    took_s = time.thread_time() - begin_s
    # What the calls from Python alone take, by a function that does nothing.
    begin_s = time.thread_time()
    space = ctypes.create_string_buffer(4)
    for _ in range(len(starts)):
        for receiver in receivers:
            lib.dtmf_rx_get(receiver, space, 0)
    calls_s = time.thread_time() - begin_s
    for receiver in receivers:
        lib.dtmf_rx_free(receiver)
    return max(took_s - calls_s, 0.0) / (x.shape[1] / 8000)
