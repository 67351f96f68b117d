"""What is written in C: right, in its bounds, and made as it says."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dsp import dtmf_bank, dtmf_look, echo, native
from dsp.echo import EchoCanceller
from dsp.native import build
from tests.dsp import echo_lines as lines
from tests.dsp.signals import RATE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Makes the library once more, with other flags."""
    folder = tmp_path_factory.mktemp("native")

    def make(name, lanes, *flags):
        target = folder / f"{name}{lanes}.so"
        build.build(target, lanes, ("-Werror", *flags))
        return target

    return make


# ----------------------------------------------------------------- transforms
LANES = (4, 8) if native.library().library_wide() else (4,)
"""What this processor runs."""


@pytest.fixture(scope="module", params=LANES)
def transforms(request, tmp_path_factory):
    target = tmp_path_factory.mktemp("transforms") / "transforms.so"
    flags = [flag for flag in build.FLAGS if flag != "-Wextra"]  # not all of the header is used
    flags += [f"-DLANES={request.param}", *([build.WIDE] if request.param == 8 else [])]
    command = [build.COMPILER, *flags, "-Werror", f"-I{native.FOLDER}", "-o", target]
    subprocess.run([*command, Path(__file__).with_name("transforms.c"), "-lm"], check=True)
    library = ctypes.CDLL(str(target))
    library.turns.restype = ctypes.c_size_t
    return library


def aligned(*shape):
    """Zeros, float32, from a multiple of 64 on."""
    memory = np.zeros(int(np.prod(shape)) * 4 + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + int(np.prod(shape)) * 4].view(np.float32).reshape(shape)


@pytest.mark.parametrize("size", [192, 216, 288, 432, 512, 648, 1024, 1296, 1728])
def test_transforms_are_those_of_numpy(transforms, size):
    lanes = transforms.lanes()
    x = aligned(size, lanes)
    x[:] = np.random.default_rng(size).normal(0, 3000, x.shape)
    spectrum, back, scratch = aligned(size // 2 + 1, 2, lanes), aligned(size, lanes), aligned(2 * size, lanes)
    factors = aligned(transforms.turns(size))
    places = [ctypes.c_void_p(a.ctypes.data) for a in (x, spectrum, back, factors, scratch)]
    transforms.both_ways(size, *places)
    wanted = np.fft.rfft(x.astype(float), axis=0)
    error = np.abs(spectrum[:, 0] + 1j * spectrum[:, 1] - wanted).max()
    assert error < 1e-6 * np.abs(wanted).max()
    assert np.abs(back / size - x).max() < 1e-6 * np.abs(x).max()


# ---------------------------------------------------------------------- lanes
@pytest.fixture(scope="module")
def call():
    """Six seconds of two lines, the second with a talker at its near end; what is sent, what comes back."""
    sent = lines.alaw(lines.speech(2, 6, 77))
    heard = lines.echo_of(sent, [lines.path("D4", 10.0, 40), lines.path("D6", 6.0, 0)])
    heard += lines.noise(2, heard.shape[1], 3)
    heard[1, 3 * RATE :] += lines.speech(1, 3, 78)[0]
    return sent, lines.alaw(heard)


@pytest.mark.parametrize("lanes", LANES)
def test_four_ports_at_once_are_served_as_well_as_eight(call, made, monkeypatch, lanes):
    """When a port learns depends on its neighbours, and so on who they are; what comes of it does not."""
    usual_db = lines.by_second(call[1], lines.cancel(EchoCanceller(2), *call))[0]
    chosen = native.load(made("first", lanes))
    monkeypatch.setattr(echo, "library", lambda: chosen)
    by_second = lines.by_second(call[1], lines.cancel(EchoCanceller(2), *call))[0]
    assert np.abs(by_second - usual_db).mean() <= 1.0
    assert by_second[2:].mean() >= 28


def test_the_library_is_the_one_for_the_processor(monkeypatch):
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    assert bool(native.library().library_wide()) == ("avx2" in flags)
    loaded = []
    monkeypatch.setattr(native, "load", lambda path: loaded.append(path) or native_stub)
    for wide, wanted in ((0, [4]), (1, [4, 8])):
        loaded.clear()
        native_stub = SimpleNamespace(library_wide=lambda wide=wide: wide)
        native.library.__wrapped__()
        assert loaded == [native.LIBRARIES[lanes] for lanes in wanted]


@pytest.mark.parametrize("what", ["silence", "noise", "not a number", "the loudest there is"])
@pytest.mark.parametrize("ports", [1, 3, 8, 9, 64])
def test_a_port_does_not_mind_its_neighbours(call, ports, what):
    """Wherever it is among however many, whatever they hear and say. When it learns may depend on them."""
    sent, heard = (x[:1] for x in call)
    alone_db = lines.gain_db(heard, lines.cancel(EchoCanceller(1), sent, heard))
    for place in {0, ports // 2, ports - 1}:
        others = {
            "silence": np.zeros((2, ports, sent.shape[1])),
            "noise": np.random.default_rng(ports).normal(0, 3000, (2, ports, sent.shape[1])),
            "not a number": np.full((2, ports, sent.shape[1]), np.nan),
            "the loudest there is": np.full((2, ports, sent.shape[1]), 3e38),
        }[what]
        others[0, place], others[1, place] = sent[0], heard[0]
        after = lines.cancel(EchoCanceller(ports), *others)
        assert np.isfinite(after).all()
        assert lines.gain_db(heard, after[place : place + 1]) == pytest.approx(alone_db, abs=1.0)


@pytest.mark.parametrize("port", [-1, 3, 10**6])
def test_a_port_that_is_not_there_is_told(port):
    canceller = EchoCanceller(3)
    asked = [
        lambda: canceller.path(port),
        lambda: canceller.reset([0, port]),
        lambda: canceller.enable(port, True),
        lambda: canceller.disable_for_data(port),
        lambda: canceller.cancelling(port),
    ]
    for ask in asked:
        with pytest.raises(IndexError, match=f"port {port} of 3"):
            ask()
    with pytest.raises(ValueError, match="there are 3 ports"):
        canceller.process(*np.zeros((2, 3, 160), np.float32), np.ones(4, bool))


def test_blocks_of_any_kind_are_taken(call):
    """Other types, strides and places in memory than C wants; larger than single precision holds."""
    sent, heard = (np.repeat(x[:1, :160], 3, axis=0) for x in call)
    usual = EchoCanceller(3).process(sent.astype(np.float32), heard.astype(np.float32))
    kinds = [
        (sent, heard),
        (np.asfortranarray(sent), np.asfortranarray(heard)),
        (np.repeat(sent, 2, axis=1)[:, ::2], np.repeat(heard, 2, axis=1)[:, ::2]),
        tuple(
            np.frombuffer(b"1" + x.astype("f4").tobytes(), "f4", offset=1).reshape(3, 160)
            for x in (sent, heard)
        ),
        (sent.astype(np.int32), heard.astype(np.int32)),
    ]
    for far, near in kinds[:-1]:
        assert np.array_equal(EchoCanceller(3).process(far, near), usual)
    assert np.abs(EchoCanceller(3).process(*kinds[-1]) - usual).max() <= 1
    assert np.isfinite(EchoCanceller(3).process(sent, np.full((3, 160), 1e300))).all()


def test_a_port_that_was_reset_is_a_new_one(call):
    """Nothing of its former life is left, bit by bit: not of sound, data calls, current or rubbish."""
    sent, heard = call
    rng = np.random.default_rng(3)
    lives = 2 * 48  # ticks: all turns of learning, looks and rings of blocks come out even
    new, used = (EchoCanceller(2, suppress=False) for _ in range(2))
    silent = np.zeros((2, 160), np.float32)
    for tick in range(lives):
        new.process(silent, silent, np.zeros(2, bool))
        at = tick * 160
        noise = rng.normal(0, 8000, (2, 160)) if tick % 7 == 0 else 700
        used.process(sent[:, at : at + 160], heard[:, at : at + 160] + noise)
        if tick == 50:
            used.enable(0, False)
            used.disable_for_data(1)
    for canceller in (new, used):
        canceller.reset([0, 1])
    assert np.array_equal(lines.cancel(used, sent, heard), lines.cancel(new, sent, heard))


# --------------------------------------------------------------------- bounds
TRIAL = """
import sys
import numpy as np
from pathlib import Path
from dsp import dtmf, dtmf_look, echo, native
library = native.load(Path(sys.argv[1]))
echo.library = dtmf_look.library = lambda: library
rng = np.random.default_rng(1)
for ports, taps in ((1, 32), (7, 33), (8, 256), (9, 512), (17, 1024), (0, 64)):
    canceller = echo.EchoCanceller(ports, taps)
    for tick in range(40):
        far, near = rng.normal(0, 10 ** rng.uniform(0, 5), (2, ports, 160)).astype(np.float32)
        far[rng.random(far.shape) < 0.01 * (tick % 3)] = rng.choice([np.nan, np.inf, -np.inf, 3e38, 0])
        marks = rng.random((2, ports)) < 0.8
        after = canceller.process(far, near, *[row if tick % 5 else None for row in marks])
        assert np.isfinite(after).all()
        for port in range(ports):
            if rng.random() < 0.05:
                canceller.reset([port]), canceller.enable(port, tick % 2 > 0), canceller.path(port)
                canceller.disable_for_data(port), canceller.cancelling(port)
for ports, pause_ms in ((1, 0), (4, 8), (9, 30), (17, 50)):
    pressed = dtmf.dtmf_samples("14#5D*" * 3, 45, pause_ms)
    keys = np.stack([np.roll(pressed, 37 * port) for port in range(ports)])
    receiver = dtmf.DtmfReceiver(ports)
    for level in (0, 100, 1500, 30000):
        sound = (keys + 0.2 * np.roll(keys, 99, 1) + rng.normal(0, level, keys.shape)).astype(np.float32)
        sound[rng.random(sound.shape) < 1e-4] = np.inf
        receiver.process(sound)
        for at in range(0, sound.shape[1], 160):
            active = None if at % 480 else rng.random(ports) < 0.9
            receiver.process(sound[:, at : at + 160 - ports % 2], active)
    every = np.arange(ports)
    heard = receiver._look.hear(sound[:, :960].copy(), every % 16, 120.0)
    for stretch in ((-15, 960, 900, 3), (-15, 20, 35, 0), (951, 960, 9, 0), (0, 0, 0, 0)):
        heard.stretch[:] = stretch
        course, inside = receiver._look.courses(heard, every)
        receiver._look.rests(heard, every, course.hz, inside)
print("done")
"""
"""Everything at sizes that do not fill a group, and beyond one."""


@pytest.mark.parametrize("lanes", LANES)
def test_nothing_is_read_or_written_out_of_bounds_and_nothing_is_undefined(made, lanes):
    """With the compiler's own watchers, which end the program at the first such thing."""
    watched = made("watched", lanes, "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    named = (build.COMPILER, "-print-file-name=libasan.so")
    preload = subprocess.run(named, capture_output=True, text=True, check=True).stdout.strip()
    # Python keeps some memory to its end.
    environment = os.environ | {"LD_PRELOAD": preload, "ASAN_OPTIONS": "detect_leaks=0"}
    ran = subprocess.run(
        [sys.executable, "-c", TRIAL, watched], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0 and ran.stdout == "done\n", ran.stderr[-3000:]


# --------------------------------------------------------------------- making
@pytest.mark.parametrize(
    ("header", "name", "value"),
    [
        ("canceller.h", "BLOCK", echo.BLOCK_SAMPLES),
        ("keys.h", "FRAME", dtmf_bank.FRAME_SAMPLES),
        ("keys.h", "HISTORY", dtmf_look.HISTORY_SAMPLES),
        ("keys.h", "STEP", dtmf_look.STEP_SAMPLES),
        ("keys.h", "WHOLE", dtmf_look.FFT),
        ("keys.h", "TONES", len(dtmf_bank.LOW_HZ + dtmf_bank.HIGH_HZ)),
        ("glance.h", "FRAMES", dtmf_look.GLANCE_FRAMES),
        ("rest.h", "LEAST_BEFORE", int(dtmf_look.LEAST_BEFORE)),
    ],
)
def test_sizes_are_the_same_in_both_languages(header, name, value):
    text = (native.FOLDER / header).read_text(encoding="utf-8")
    assert re.findall(rf"^#define {name} (\d+)", text, re.MULTILINE) == [str(value)]


def test_the_same_sources_give_the_same_bytes_and_are_compiled_once(made, tmp_path):
    first, again = made("first", 4), tmp_path / "again.so"
    (tmp_path / "again.part").write_bytes(b"half")
    assert build.build(again, 4, ("-Werror",))
    assert not build.build(again, 4, ("-Werror",))
    assert [path.name for path in tmp_path.iterdir()] == ["again.so"]
    assert again.read_bytes() == first.read_bytes()
    assert build.build(again, 4, ("-DOTHER",)), "made anew with other flags"
    again.write_bytes(b"no library")
    assert build.build(again, 4), "and when what is there is none"


def test_a_library_that_is_missing_foreign_or_of_other_sources_says_what_to_do(tmp_path, made, monkeypatch):
    foreign = tmp_path / "foreign.so"
    foreign.write_bytes(b"no library")
    for path in (tmp_path / "none.so", foreign):
        with pytest.raises(native.NotBuiltError, match=r"run \./setup\.sh"):
            native.load(path)
    good = made("first", 4)
    assert native.load(good)
    monkeypatch.setattr(native, "sources", lambda: "0" * 64)
    with pytest.raises(native.NotBuiltError, match=r"other sources; run \./setup\.sh"):
        native.load(good)
    monkeypatch.setattr(native, "sources", lambda: "")
    assert native.load(good), "on the box there are no sources"


def test_a_missing_compiler_is_one_line_of_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(build, "COMPILER", "no-such-compiler")
    assert build.main() == 1
    assert (
        capsys.readouterr().err == "dsp.native: no-such-compiler is missing: apt-get install gcc libc6-dev\n"
    )
