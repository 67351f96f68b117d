"""docs/dsp-report.md and its plots, from one run of the bench."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

import numpy as np

from tests.bench.dsp import long
from tests.bench.dsp.rows import verdict
from tests.dsp import corpora

DOCS = Path(__file__).parents[3] / "docs"
PLOTS = DOCS / "img" / "dsp"
COLOURS = {
    "zongji": "#b3261e",
    "spandsp": "#1f5f99",
    "multimon-ng": "#4a7a2c",
    "SpeexDSP": "#4a7a2c",
    "spandsp, linear part": "#8fb4d9",
    "zongji, linear part": "#e3a19c",
}

FAX = """\
Not built: a fax inbox; the box itself neither sends nor receives pages. A fax passes through it, between
a line and a telephone socket: from the first fax tone on no echo is cancelled between the two, whether the
answering tone asks for that (phase reversals) or not, and gain is off. What is not cancelled goes round:
what one machine sends comes back to the other by both hybrids, weaker by the sum of their echo return
losses and by twice the fixed loss of 3 dB that a fax gets in either direction, and tens of milliseconds
late. Hybrids that return more than those of 10 dB cost speed and, without error correction, dots of pages.
A canceller that goes on adapting costs whole pages. spandsp's own receiver takes pages that come 12 dB
weaker than it sends them, and none that come 15 dB weaker, with no box between either."""

METHOD = """\
Every row is measured on 8 kHz sound on the 16-bit scale, the same samples for everybody, with
seeds that are fixed. Levels are in dBm0 (0 dBm0: a sine 3.14 dB under the A-law overload point);
noise is white over 0-4 kHz; signal to noise is total power against total power. Peers run with
their defaults as Debian and PyPI package them: spandsp and SpeexDSP through ctypes, multimon-ng and
minimodem as programs. SpeexDSP's echo canceller runs with its preprocessor's residual suppression,
spandsp's with its non-linear processor and comfort noise. spandsp's tone detector is told the one tone to
listen for; ours knows only the country.

Caller ID: frames of 100 that arrive once with equal contents, half Bell 202 and half V.23, SDMF and
MDMF. minimodem sends the frame alone; seizure and mark before it are ours, joined with a jump of phase.
Line: busy and congestion at -36 to -5 dBm0, frequencies off by up to 2 %, times by up to 15 %, after speech.
Fax: two terminals of spandsp's in calls of the simulated office, from its line to its telephone or back,
every port with A-law codecs and the exchange with another; a page counts when no dot of it differs.
Caller ID by DTMF: a message counts when number and reason arrive, once; a reversal of polarity is the click
that it leaves on the line. Countries: a table's own word for its source, `dsp/data/tones.toml`.
Person or machine: recordings of every installed voice one after the other, cut to lengths drawn evenly by
their ratio. Whoever waits after 0.2 to 1.5 s counts as a person (1.5 s is the longest greeting that other
programs allow a person), whoever speaks for 2.5 to 10 s, with pauses of up to 0.7 s, as a machine; what lies
between is shown and not judged. So the row tells whether lengths are seen rightly in all voices and levels.
How people and machines do greet, it does not tell: there are no recordings of that in Debian.
Voice: frames of 20 ms, noise 15 dB under speech with short pauses; how many of each are called speech.

Costs are processor time of one thread for 64 channels, as a share of the time the sound lasts; calls from
Python to a peer are taken off. Other programs on the same machine make every cost figure larger; ratios
suffer less. The targets of cost were set on another machine, where SpeexDSP's canceller took 4.6 % of a core
and spandsp's DTMF receiver 0.21 %: a row "against" one of them, by mean cost, compares ours with it as the
targets do. Whether that 4.6 % held residual suppression is not known; the row compares with SpeexDSP
without it, which is harder, although ours has it."""

ECHO_METHOD = """\
Echo lines: the impulse responses of G.168 Annex D (D.2 to D.9) scaled to an echo return loss of 10 and
6 dB, behind 0, 5 or 10 ms of delay; speech at -15 dBm0 active level at both ends; A-law on both
crossings; noise of -65 dBm0. ERLE is the power of what comes back over what is left of it, noise
included; it is judged for each hybrid and loss by itself, as the mean over three talkers. A linear part is
the adaptive filter alone. In double-talk everything that differs from the near-end talker alone counts as
echo, damage to his speech too. spandsp's non-linear processor mutes whatever it takes for echo, the near
end with it: its ERLE is to be read together with its double-talk. spandsp is measured on a third of the
calls."""


def machine():
    """Processor, cores, versions."""
    model = platform.machine()
    for entry in Path("/proc/cpuinfo").read_text().splitlines():
        if entry.startswith("model name"):
            model = entry.partition(":")[2].strip()
            break
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, numpy {np.__version__}"


TICKS = """\
Whole ticks are of two boxes, since none has everything on. One has 32 lines in conversations with 32
telephones, and runs what the engine runs for them. The other has 64 lines: on 56 of them callers hear a
prompt, half of them talk over it, every second one presses a key; echo, keys, disconnect tones and recording
are on as the engine has them, progress by the bench's order; on eight lines callers come with caller ID and
go. The bench fails when one of these is off on any of the 56 lines in any tick. The simulated office, and
what the helper threads do with files, are not in the figures.

The row of an hour's ticks is of work: how much processor time each took in the thread that makes them, with
the collection of garbage, run as fast as they go. It says nothing of how late a tick is at the pace of real
time, with other programs beside it: `make bench` measures that for a minute, and prints the late ones."""

AUDIO = """\
A file is for tuning when the CRC-32 of its name is even, else for judging (`tests/dsp/corpora.py`).
Thresholds were chosen on the first half only, but for four of the DTMF receiver's, set again after a first
hearing of other recordings; the last, after a false digit in the long run, by how keys in noise and speech
lie. Four more, and those of dial tone that comes back, were set after the first hearing of recordings of
other packages, by how real keys and tones lie; seven, of chords, after the first hearing of others, by how
keys that sound and noise disturb lie; four, of where two tones begin and of a loud third one, after the
hearing of others still, and four, of what may stand out beside them, after one more, by how keys in noise,
over sound and with an echo lie; three, of noise that is none, and one, of tones that fade over bass, after
two hearings of others that found a digit, by the same keys; five, of dial and busy tone, after two that found
hang-ups in music, by tones under voice and noise. Tests and bench hear the second half only."""

FRESH_AUDIO = """\
These are of other packages, in no half: no test and no other row hears them. With the fresh ones no threshold
was set; those heard before were fresh until thresholds were changed because of what was heard in them."""

LONG_SETS = {
    "fresh": (
        "Fresh recordings",
        "Heard for the first time on 2026-11-30, when every threshold had been set. Their speeds lie between "
        "those of the judging half. They are music and sounds; fresh recordings with speech were heard last "
        "in the sixth hearing, below.",
    ),
    "heard": (
        "Recordings heard before",
        "They were the fresh ones once, some after the others. The first hearing, of 22.8 h and for hang-ups "
        "101.0 h, found four false digits (two in music, two in single words) and five false hang-ups, all "
        "dial tone in one piece of music. What a key must do that begins over something else, and what dial "
        "tone must do, was made stricter because of that. The second, of 22.6 h of others and for hang-ups "
        "104.5 h, found one false digit, in music: a chord that swelled, refused until its beginning was "
        "heard no more; and one false caller ID, in a syllable: three octets, a type, a length of none and "
        "their sum. Played at other speeds still, before others were fresh, the music gave four more false "
        "digits. What swells with a third tone is no key however long it goes on, what has no beginning must "
        "have less of a third tone, a third tone is no excuse for tones that are off, and a caller ID must "
        "tell something of a caller, because of that. Of those four one is left: two notes struck at once "
        "over a bass, as pure, as even and as near to the tones of a key as a key is (0 in Nebula.ogg of "
        "Endgame: Singularity, 34.81 s from its beginning, played 1.13125 times as fast, which is no speed "
        "of this run). The third hearing, of 22.8 h of others and for hang-ups 101.5 h, found one false "
        "digit, in a single word (# in phone_desc_ro.ogg of Tux Paint's stamps, 1.3 s from its beginning, "
        "played 0.99625 times as fast). What was heard before, played at more speeds, gave two more, in "
        "speech: 5 in smrt-x-obe.ogg of Fish Fillets, 1.04 s from its beginning, played 0.81625 times as "
        "fast, and * in Excellent.ogg of Hedgewars, 0.51 s, 1.0492 times. In each one of the two tones "
        "begins 7 to 10 ms after the other; so both must begin together as far as noise lets one tell, and "
        "of much that is left beside them less may stand out. None of the three is heard any more. The "
        "fourth, of 22.4 h of others and for hang-ups 103.2 h, found two false digits: 9 in a call of "
        "Kajongg's (female2/violatesoriginalcall.ogg, 0.08 s, 1.12375 times as fast) and 6 in music of "
        "HyperRogue's (hr3-hell.ogg, 118.81 s, 1.18375 times). Beside both much is left of which a part "
        "stands out as it does beside no key; it may no more. The fifth, of 21.6 h of others and for "
        "hang-ups 103.4 h, found one false digit, in a cry (5 in technician_die3.wav of MegaGlest, 0.07 s, "
        "1.12375 times). What excused it was noise that began with it. So much that is left beside two tones "
        "must have the spectrum of noise, and noise excuses nothing that was there before itself. The sixth, "
        "of 22.5 h of others and for hang-ups 104.2 h, found no false digit (spandsp 14) and two hang-ups in "
        "one piece of music, at two speeds: a melody over a held note was dial tone. Its frequencies must "
        "be off together, and there in most pieces of it. The seventh, of 23.8 h of others and for hang-ups "
        "100.1 h, found one false digit (1 in peace4.ogg of Naev, 44.97 s, 1.00375 times; spandsp 12), two "
        "notes that fade over a bass, and five hang-ups in one piece of music, where a synthesizer plays "
        "425 Hz and another note by turns: busy tone in Spain. Over bass, tones that are off must not fade "
        "more than noise lets them seem to, and what fills all gaps of a busy tone is no other sine. So this "
        "set judges nothing any more; it shows that what was mended stays mended. It was heard with every "
        "limit as it is now, what was fresh the second and the third time at more speeds than it was then. "
        "Frames fall differently each time: of 80 ways in which they can lie, two still hear HyperRogue's "
        "digit, all of them that of Singularity, none any of the others.",
    ),
    "judging": (
        "The judging half",
        "For DTMF this set judges no more: four of the receiver's thresholds were set again after it had "
        "been heard, the last because of one false digit in it. It shows that what was mended stays mended, "
        "and was heard with every limit as it is now.",
    ),
}


def today():
    return datetime.date.today().isoformat()


def plot(curve):
    """One curve as SVG; answers the file's name."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "zongji"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    for name, values in curve.series.items():
        axes.plot(
            curve.x, values, marker="o", markersize=3, linewidth=1.6, label=name, color=COLOURS.get(name)
        )
    axes.set(title=curve.title, xlabel=curve.x_label, ylabel=curve.y_label)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.tight_layout()
    PLOTS.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOTS / f"{curve.name}.svg", metadata={"Date": None})
    plt.close(figure)
    return f"img/dsp/{curve.name}.svg"


def table(rows):
    lines = ["| What | Target | Zongji | | Peers, same run |", "|---|---|---|---|---|"]
    for row in rows:
        peers = "; ".join(f"{name}: {found}" for name, found in row.peers.items()) or "-"
        lines.append(f"| {row.what} | {row.target} | {row.ours} | {verdict(row)} | {peers} |")
    return "\n".join(lines)


def audio(long_found):
    """Which recordings were for tuning and which for judging, and which only the long run hears."""
    lines = ["| Recordings | for tuning | for judging |", "|---|---|---|"]
    for name, folder in long.voices().items():
        sides = []
        for tuning in (True, False):
            found = corpora.recordings(folder, tuning)
            sides.append(f"{len(found)} files, {sum(map(len, found)) / 8000 / 60:.0f} min")
        lines.append(f"| {name} | {sides[0]} | {sides[1]} |")
    lines += ["", FRESH_AUDIO, "", "| Recordings | for false events alone | |", "|---|---|---|"]
    for part, what in (("fresh", "fresh"), ("heard", "heard before")):
        for name, (files, minutes) in long_found.get(part, {}).get("recordings", {}).items():
            lines.append(f"| {name} | {files} files, {minutes:.0f} min | {what} |")
    return "\n".join(lines)


def long_text(found):
    """All sets, each by itself."""
    return "\n\n".join(
        f"### {title}\n\n{why}\n\n{_long_set(found.get(part))}" for part, (title, why) in LONG_SETS.items()
    )


def _long_set(found):
    if found is None:
        return "Not heard yet (`make bench-long`)."
    heard = ", ".join(f"{name} {h} h" for name, h in found["hours_by_recording"].items())
    text = (
        f"{found['hours']} hours ({heard}); for hang-ups {found['hang_up_hours']} hours of the same at more "
        f"speeds, as calls in {len(long.COUNTRIES)} countries. {found['date']}, {found['machine']}.\n\n"
        f"| False events | in all | target |\n|---|---|---|\n"
        f"| DTMF digits | {found['false_digits']} | 0 in 20 h |\n"
        f"| caller IDs | {found['false_caller_ids']} | 0 in 20 h |\n"
        f"| hang-ups | {found['false_hang_ups']} | at most 1 in 100 h |\n"
    )
    events = [
        f"* {event['what']}: {event['said']} in {event['file']} ({event['of']}), {event['second']} s from "
        f"its beginning, played {event['speed']:g} times as fast"
        for event in found.get("false_events", ())
    ]
    if events:
        text += "\n" + "\n".join(events) + "\n"
    if found["spandsp_false_digits"] is not None:
        text += f"\nOn the same sound spandsp heard {found['spandsp_false_digits']} digits"
        if found["multimon_false_digits"] is not None:
            false, hours = found["multimon_false_digits"], found["multimon_hours"]
            text += f", and multimon-ng {false} in the first {hours} hours"
        text += "."
    return text


def write(findings, long_found):
    """The whole report."""
    plots = "\n".join(f"![{curve.title}]({plot(curve)})" for curve in findings.curves)
    not_met = [f"* {row.what}: {row.ours}, wanted {row.target}" for row in findings.rows if row.met is False]
    text = f"""# What the signal processing reaches

Written by `make dsp-report` on {today()}; every figure comes from that run,
but for those of the long run, which bear a date.
Machine: {machine()}. Programs that wanted a core in the last 15 minutes: {os.getloadavg()[2]:.1f} on average.

## Figures

{table(findings.rows)}

Not met:

{chr(10).join(not_met) or "* nothing"}

{FAX}

{TICKS}

## False events in speech and music

{long_text(long_found)}

## Plots

{plots}

## Method

{METHOD}

{ECHO_METHOD}

## Tuning and judging audio

{AUDIO}

{audio(long_found)}

From the Debian packages asterisk-core-sounds-en-wav, -es-wav, -fr-wav, -it-wav, -ru-wav,
asterisk-prompt-it-menardi-wav and asterisk-moh-opsound-wav; the last table from
{", ".join(corpora.FRESH_PACKAGES + corpora.HEARD_PACKAGES)}.
"""
    (DOCS / "dsp-report.md").write_text(text, encoding="utf-8")
    print(f"  written: {DOCS / 'dsp-report.md'}")
