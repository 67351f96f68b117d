"""Real speech and music for talk-off, cut in two so that nothing is judged on what it was tuned with.

A file belongs to the tuning half when the CRC-32 of its name is even, otherwise to the
judging half. Thresholds are chosen with the tuning half; the tests hear the other. Some were
narrowed after a false event in the judging hours or in other voices: docs/dsp-report.md says which, and what
was heard with them afterwards.

A third set, `FRESH`, is for hours of false events alone: no test hears it and no threshold may be chosen
with it. When one is changed because of what was heard in it, it is fresh no more: it joins `HEARD`, which
shows that what was mended stays mended, and another has to be found.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import soundfile

SPEECH = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
MUSIC = Path("/usr/share/asterisk/moh")
HEARD = {
    "prompts, Colombian Spanish": Path("/usr/share/asterisk/sounds/es"),
    "prompts, French (Armelle Desjardins)": Path("/usr/share/asterisk/sounds/fr"),
    "words of KTuberling in 25 languages": Path("/usr/share/ktuberling/sounds"),
    "letters and syllables of KLettres in 20 languages": Path("/usr/share/klettres"),
    "music of Endgame: Singularity": Path("/usr/share/games/singularity/music"),
    "syllables of Mandarin (gcin)": Path("/usr/share/gcin-voice"),
    "dialogues of Fish Fillets, Czech and Dutch": Path("/usr/share/games/fillets-ng/sound"),
    "voices of Hedgewars": Path("/usr/share/games/hedgewars/Data/Sounds/voices"),
    "music of Drascula": Path("/usr/share/scummvm/drascula"),
    "words of Tux Paint's stamps in 23 languages, and the sounds of what they show": Path(
        "/usr/share/tuxpaint/stamps"
    ),
    "voices and sounds of Planet Blupi in 5 languages": Path("/usr/share/planetblupi/sound"),
    "music of Pushover": Path("/usr/share/pushover/themes"),
    "songs of Frets on Fire, and their guitars alone": Path("/usr/share/games/fretsonfire/data/songs"),
    "sentences of Festival's Russian voice": Path(
        "/usr/share/festival/voices/russian/msu_ru_nsh_clunits/wav"
    ),
    "calls of Kajongg, four voices each in English and German": Path("/usr/share/kajongg/voices"),
    "moves of Scid, spoken": Path("/usr/share/scid/sounds"),
    "speakers of Codec 2's examples": Path("/usr/share/codec2/wav"),
    "voices, music and sounds of Warmux": Path("/usr/share/games/warmux"),
    "music and sounds of HyperRogue": Path("/usr/share/hyperrogue"),
    "voices, music and sounds of MegaGlest": Path("/usr/share/games/megaglest"),
    "music of Wesnoth": Path("/usr/share/games/wesnoth/1.16/data/core/music"),
    "music of Adonthell": Path("/usr/share/games/adonthell"),
    "sounds of Search and Rescue": Path("/usr/share/games/searchandrescue/sounds"),
    "voices in three languages, music and sounds of Unknown Horizons": Path(
        "/usr/share/unknown-horizons/content/audio"
    ),
    "voices, music and sounds of FreedroidRPG": Path("/usr/share/freedroidrpg/data/sound"),
    "voices and sounds of Bos Wars": Path("/usr/share/games/boswars/units"),
    "speech, music and sounds of SuperTux": Path("/usr/share/games/supertux2"),
    "music and sounds of Colobot": Path("/usr/share/games/colobot"),
    "music and sounds of Naev": Path("/usr/share/naev/dat/snd"),
    "music of Planet Blupi": Path("/usr/share/planetblupi/music"),
}
HEARD_PACKAGES = (
    "adonthell-data",
    "asterisk-prompt-es-co",
    "asterisk-prompt-fr-armelle",
    "boswars-data",
    "codec2-examples",
    "colobot-common-sounds",
    "drascula-music",
    "festvox-ru",
    "fillets-ng-data-cs",
    "fillets-ng-data-nl",
    "freedroidrpg-data",
    "fretsonfire-songs-sectoid",
    "gcin-voice",
    "hedgewars-data",
    "hyperrogue-music",
    "kajongg",
    "klettres-data",
    "ktuberling-data",
    "megaglest-data",
    "naev-data",
    "planetblupi-common",
    "planetblupi-music-ogg",
    "pushover-data",
    "scid-data",
    "searchandrescue-data",
    "singularity-music",
    "supertux-data",
    "tuxpaint-stamps-default",
    "unknown-horizons",
    "warmux-data",
    "wesnoth-1.16-music",
)
FRESH = {
    "music of Warzone 2100": Path("/usr/share/games/warzone2100/music"),
    "music and sounds of M.A.R.S.": Path("/usr/share/games/marsshooter/audio"),
    "music of Ardentryst": Path("/usr/share/games/ardentryst/Music"),
    "sounds of Ardentryst": Path("/usr/share/games/ardentryst/Sounds"),
    "music and sounds of Scorched 3D": Path("/usr/share/games/scorched3d/data"),
    "music of OpenClonk": Path("/usr/share/games/openclonk/Music.ocg"),
    "music of LinCity": Path("/usr/share/games/lincity-ng/music"),
    "sounds of LinCity": Path("/usr/share/games/lincity-ng/sounds"),
    "music and sounds of Frozen-Bubble": Path("/usr/share/games/frozen-bubble/snd"),
}
FRESH_PACKAGES = (
    "ardentryst",
    "frozen-bubble-data",
    "lincity-ng-data",
    "marsshooter-data",
    "openclonk-data",
    "scorched3d-data",
    "warzone2100-music",
)
RATE = 8000
PAUSE_SAMPLES = 4000
NOBODY = (
    "ascending-2tone.wav",
    "beep.wav",
    "beeperr.wav",
    "confbridge-join.wav",
    "confbridge-leave.wav",
    "descending-2tone.wav",
    "tt-monkeys.wav",
)
"""Files in the folders of voices in which nobody speaks."""


def is_for_tuning(name):
    return zlib.crc32(name.encode()) % 2 == 0


def recordings(folder, tuning, without=()):
    """The half's 8 kHz recordings in `folder`, in the order of their names, some `without`."""
    return list(named_recordings(folder, tuning, without).values())


def named_recordings(folder, tuning, without=()):
    """The same, by their paths within `folder`."""
    paths = sorted(p for p in folder.rglob("*.wav") if is_for_tuning(p.name) == tuning)
    paths = [p for p in paths if p.name not in without]
    if not paths:
        raise FileNotFoundError(f"no recordings in {folder}; install asterisk-core-sounds-en-wav")
    return {str(path.relative_to(folder)): np.asarray(_read(path), np.float32) for path in paths}


def _read(path):
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == RATE and samples.ndim == 1, path
    return samples


def all_recordings(folder):
    """Path within `folder` -> recording at 8 kHz, float32 on the 16-bit scale, in the order of their paths.

    Of every format; one that has been seen already (the same octets under another name) is left out.
    """
    found, seen = {}, set()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".gsm", ".ogg", ".opus", ".wav")):
        octets = path.read_bytes()
        if octets not in seen:
            seen.add(octets)
            found[str(path.relative_to(folder))] = _read_any(path)
    if not found:
        raise FileNotFoundError(
            f"no recordings in {folder}; install {', '.join(HEARD_PACKAGES + FRESH_PACKAGES)}"
        )
    return found


def _read_any(path):
    raw = {"samplerate": RATE, "channels": 1, "format": "RAW", "subtype": "GSM610"}
    samples, rate = soundfile.read(
        path, dtype="float32", always_2d=True, **(raw if path.suffix == ".gsm" else {})
    )
    return np.clip(_at_8_khz(samples.mean(1) * np.float32(32768), rate), -32768, 32767)


def _at_8_khz(x, rate):
    """Any rate, in one transform; what is above 3.6 kHz fades out to 4 kHz."""
    if rate == RATE:
        return x.astype(np.float32)
    common = math.gcd(rate, RATE)
    steps = 4
    while steps * rate // common < len(x):
        steps *= 2
    if steps * 3 // 4 * rate // common >= len(x):
        steps = steps * 3 // 4
    spectrum = np.fft.rfft(x, steps * rate // common)[: steps * RATE // common // 2 + 1]
    hz = np.arange(len(spectrum), dtype=np.float32) * np.float32(common / steps)
    spectrum *= np.clip((RATE / 2 - hz) / 400, 0, 1)
    slow = np.fft.irfft(spectrum, steps * RATE // common) * (RATE / rate)
    return slow[: len(x) * RATE // rate].astype(np.float32)


def in_rows(recordings, rows, pause_samples=PAUSE_SAMPLES):
    """All recordings one after the other as [rows, n], half a second of silence between them."""
    pause = np.zeros(pause_samples, np.float32)
    whole = np.concatenate([part for recording in recordings for part in (recording, pause)])
    width = -(-len(whole) // rows)
    return np.pad(whole, (0, rows * width - len(whole))).reshape(rows, width)


def faster(x, factor):
    """The same rows played `factor` times as fast, so higher in pitch, [rows, n]."""
    place = np.arange(int((x.shape[1] - 1) / factor)) * factor
    whole = place.astype(int)
    part = (place - whole).astype(np.float32)
    return x[:, whole] * (1 - part) + x[:, whole + 1] * part
