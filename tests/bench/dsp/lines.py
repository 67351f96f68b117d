"""Call progress: disconnect, answer, person or machine, and voice, on simulated ends of calls."""

from __future__ import annotations

import numpy as np

from dsp.amd import amd
from dsp.answer import answer
from dsp.countries import COUNTRIES, tone_table
from dsp.disconnect import hangup
from dsp.voice import VoiceActivity
from tests.bench.dsp import long, peers
from tests.bench.dsp.rows import percent
from tests.dsp import corpora, echo_lines, signals
from tests.dsp import signals_progress as S
from tests.dsp.test_answer_amd import WORDS, call, line, ringing, trimmed
from tests.dsp.test_disconnect import ended_call, ended_under_voice, quick, voice


def measure(findings):
    findings.begin("line", "tones of -36 … -5 dBm0, frequency ±2 %, times ±15 %, noise 25 dB under them")
    _countries(findings)
    _busy(findings)
    _under_voice(findings)
    _never(findings)
    _answer(findings)
    _machine(findings)
    _voice(findings)


def _busy(findings):
    rng = np.random.default_rng(401)
    seen, in_time, theirs, count = 0, 0, [], 0
    for country in COUNTRIES:
        for name in ("busy", "congestion"):
            tone = tone_table(country)[name]
            if not quick(tone):
                continue
            spread = rng.uniform(-36, -5), rng.uniform(-0.02, 0.02), rng.uniform(-0.15, 0.15)
            x, at_s, cycle_s = ended_call(tone, rng, *spread)
            found_s = hangup(x, country)["hangup_s"]
            count += 1
            seen += found_s is not None and found_s > at_s
            in_time += found_s is not None and at_s < found_s <= at_s + 3 * cycle_s + 0.06
            theirs.append((x, tone, at_s))

    def spandsp():
        heard = [(peers.spandsp_tone_seconds(x, t.frequencies_hz, t.cadence_ms), at) for x, t, at in theirs]
        return (
            percent(np.mean([found is not None and found > at for found, at in heard]))
            + " (told that one tone)"
        )

    findings.add(
        f"busy and congestion of {len(COUNTRIES)} countries, {count} calls, within 3 cycles",
        "≥ 99 %",
        f"{percent(in_time / count)} (seen at all {percent(seen / count)})",
        in_time / count >= 0.99,
        spandsp=spandsp,
    )


def _under_voice(findings):
    """Our own prompt is playing, and its echo comes back 10 dB under the tone."""
    rng = np.random.default_rng(407)
    seen, in_time, count = 0, 0, 0
    for country in COUNTRIES:
        tone = tone_table(country)["busy"]
        if not quick(tone):
            continue
        for _ in range(3):
            x, at_s, cycle_s = ended_under_voice(tone, rng, rng.uniform(-30, -8))
            found_s = hangup(x, country)["hangup_s"]
            count += 1
            seen += found_s is not None and found_s > at_s
            in_time += found_s is not None and at_s < found_s <= at_s + 3 * cycle_s + 0.06
    findings.add(
        f"every country's busy under our own voice 10 dB weaker, {count} calls, within 3 cycles",
        "≥ 99 %",
        f"{percent(in_time / count)} (seen at all {percent(seen / count)})",
        in_time / count >= 0.99,
    )


def _never(findings):
    rng = np.random.default_rng(402)
    false, false_with_voice, theirs, count = 0, 0, [], 0
    for country in COUNTRIES:
        table = tone_table(country)
        for name in ("ringback", "dial"):
            tone = table[name]
            cycle_s = sum(tone.cadence_ms) / 1000 or 3.0
            modulation = max(step.modulation_hz for step in tone.steps)
            x = S.tone(
                tone.frequencies_hz, tone.cadence_ms, min(4 * cycle_s, 14), -15, modulation_hz=modulation
            )
            x = x + S.white(len(x) / 8000 + 1, -45, int(rng.integers(1 << 30)))[: len(x)]
            x, with_voice = S.a_law(x), S.a_law(x + voice(rng, len(x) / 8000 + 1, -25)[: len(x)])
            false += hangup(x, country)["hangup_s"] is not None
            false_with_voice += hangup(with_voice, country)["hangup_s"] is not None
            theirs.append((x, table["busy"]))
            count += 1

    def spandsp():
        heard = [peers.spandsp_tone_seconds(x, t.frequencies_hz, t.cadence_ms) for x, t in theirs]
        return f"{sum(found is not None for found in heard)} (told the busy tone)"

    findings.add(f"hang-ups on {count} ringback and dial tones", "0", str(false), false == 0, spandsp=spandsp)
    findings.add(
        "the same under our own voice 10 dB weaker", "0", str(false_with_voice), false_with_voice == 0
    )


def _answer(findings):
    rng = np.random.default_rng(403)
    right = count = 0
    for country in COUNTRIES[::3]:
        tone = tone_table(country)["ringback"]
        gap_s = tone.cadence_ms[-1] / 1000
        cycles = max(1, min(3, int(14 / (sum(tone.cadence_ms) / 1000))))
        whole = ringing(country, cycles)
        ring = whole[: len(whole) - int(rng.uniform(0.1, 0.8) * gap_s * 8000)]
        spoken = S.at_level(WORDS[int(rng.integers(len(WORDS)))], rng.uniform(-32, -12))
        at_s = 1 + len(ring) / 8000
        found = answer(line([S.silence(1), ring, spoken, S.silence(2)], seed=count), country)["answered_s"]
        right += found is not None and at_s - 0.1 <= found <= at_s + 1.0
        silent = answer(line([S.silence(1), whole, S.silence(9)], seed=count), country)["answered_s"]
        at_s = 1 + len(whole) / 8000
        right += silent is not None and at_s - 0.1 <= silent <= at_s + 2.0
        nobody = answer(line([S.silence(1), ringing(country, cycles + 1)], seed=count), country)["answered_s"]
        right += nobody is None
        count += 3
    findings.add(
        f"answered or not without reversal, {count} calls (word, silence, nobody)",
        "≥ 98 %",
        percent(right / count),
        right / count >= 0.98,
    )


def _countries(findings):
    """Where the tones come from, as the tables themselves say."""
    tables = [tone_table(country) for country in COUNTRIES]
    bare = [table for table in tables if table.source == "E180"]
    partly = [table for table in tables if table.assumed and table not in bare]
    findings.add(
        "countries with a table of tones; with tones of their own network from a named source; with nothing "
        "but E.180's recommendation",
        "≥ 150; -; -",
        f"{len(tables)}; {len(tables) - len(bare)} (of them {len(partly)} with a tone or more as E.180 "
        f"recommends); {len(bare)}",
        len(tables) >= 150,
    )


PERSON_S, UNCLEAR_S, MACHINE_S = (0.2, 1.5), (1.5, 2.5), (2.5, 10.0)
"""How long a person, nobody knows who, and a machine speak before they wait. 1.5 s is what other programs
take for the longest greeting of a person."""
OF_EACH, AMD_LEVELS_DBM0 = 10, (-12, -26, -40)


def _spoken(rng, recordings, length_s):
    """Recordings of one voice one after the other, 0.15 to 0.7 s between them, cut to this length."""
    n, parts, have = round(length_s * 8000), [], 0
    while have < n:
        said = recordings[int(rng.integers(len(recordings)))]
        said = said / max(np.sqrt(np.mean(said**2)), 1.0) * 3000
        parts += [said, np.zeros(int(rng.uniform(0.15, 0.7) * 8000))]
        have += len(said)
        if have < n:
            have += len(parts[-1])
    return trimmed(np.concatenate(parts)[:n])


def _machine(findings):
    """Greetings of every length from all voices there are: who waits after up to 1.5 s is a person."""
    rng = np.random.default_rng(404)
    speakers = []
    for name, folder in long.voices().items():
        if name != long.MUSIC:
            found = corpora.recordings(folder, tuning=False)
            speakers.append([trimmed(x) for x in found if len(x) > 3000 and np.abs(x).max() > 2000])
    said = {}
    for who, (least_s, most_s) in (("person", PERSON_S), ("unclear", UNCLEAR_S), ("machine", MACHINE_S)):
        for recordings in speakers:
            # as many short ones as long ones, by their ratio
            for length_s in least_s * (most_s / least_s) ** rng.uniform(0, 1, OF_EACH):
                x = _spoken(rng, recordings, length_s)
                for level in AMD_LEVELS_DBM0:
                    said.setdefault((who, level), []).append(amd(call(x, rng, level))["result"])

    def share(who, result, levels=AMD_LEVELS_DBM0):
        return np.mean([found == result for level in levels for found in said[who, level]])

    by_level = [
        (share("person", "person", [level]) + share("machine", "machine", [level])) / 2
        for level in AMD_LEVELS_DBM0
    ]
    calls = f"{2 * len(speakers) * OF_EACH * len(AMD_LEVELS_DBM0)} calls, {len(speakers)} voices"
    findings.add(
        f"person ({PERSON_S[0]:g}-{PERSON_S[1]:g} s of speech, then quiet) or machine "
        f"({MACHINE_S[0]:g}-{MACHINE_S[1]:g} s), {calls}, at each of {_list(AMD_LEVELS_DBM0)} dBm0",
        "≥ 95 %",
        f"{_list(map(percent, by_level))} (persons {percent(share('person', 'person'))}, machines "
        f"{percent(share('machine', 'machine'))})",
        min(by_level) >= 0.95,
    )
    findings.add(
        f"the same voices for {UNCLEAR_S[0]:g}-{UNCLEAR_S[1]:g} s, which may be either: called a person, a "
        "machine, unknown",
        "-",
        _list(percent(share("unclear", result)) for result in ("person", "machine", "unknown")),
        None,
    )


def _list(values):
    return ", ".join(map(str, values))


def _voice(findings):
    """Speech in noise 15 dB under it; the truth is where the clean speech has its power."""
    clean = echo_lines.speech(8, 20, 405, dbm0=-20)
    noisy = clean + echo_lines.noise(*clean.shape, 406, dbm0=-35)
    power = (clean.reshape(8, -1, 160) ** 2).mean(2)
    truth = power > signals.rms(-35) ** 2
    certain = truth | (power < signals.rms(-55) ** 2)
    detector = VoiceActivity(8)
    heard = np.stack(
        [
            detector.process(noisy[:, i : i + 160].astype(np.float32)).copy()
            for i in range(0, noisy.shape[1], 160)
        ],
        axis=1,
    )

    def score(said):
        return f"{percent(said[truth].mean())} of speech, {percent(said[certain & ~truth].mean())} of pauses"

    findings.add(
        "voice heard, noise 15 dB under it", "-", score(heard), None,
        webrtcvad=lambda: score(np.stack([peers.webrtc_voice(row) for row in noisy])),
    )  # fmt: skip
