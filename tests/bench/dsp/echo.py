"""Echo cancellation: the same lines to us, SpeexDSP and spandsp."""

from __future__ import annotations

import functools
import time

import numpy as np

from dsp.echo import EchoCanceller
from tests.bench import office
from tests.bench.dsp import peers
from tests.bench.dsp.rows import Curve, percent
from tests.dsp import echo_lines as lines
from tests.dsp.signals import RATE

SETS = [(model, erl_db) for erl_db in (10, 6) for model in lines.MODELS]
OUR_LINEAR = "zongji, linear part"
SECONDS, DOUBLE_TALK_S, CHANGE_S, TALKERS = 9, 6, 4, 3


def linear_ours(ports, taps=256):
    """Our adaptive filter alone."""
    return EchoCanceller(ports, taps, suppress=False)


CANCELLERS = {
    OUR_LINEAR: linear_ours,
    "SpeexDSP": peers.SpeexEcho,
    "spandsp": peers.SpandspEcho,
    "spandsp, linear part": peers.linear_spandsp,
}


class Set:
    """Sixteen lines: eight hybrids at two losses, each with its own talkers."""

    def __init__(self, seed):
        self.sent = lines.alaw(lines.speech(16, SECONDS, seed))
        paths = [lines.path(model, erl, (0, 40, 80)[i % 3]) for i, (model, erl) in enumerate(SETS)]
        self.echo = lines.echo_of(self.sent, paths)
        noise = lines.noise(16, self.sent.shape[1], seed + 1)
        self.talk = lines.speech(16, SECONDS, seed + 2)
        self.talk[:, : DOUBLE_TALK_S * RATE] = 0
        self.single = lines.alaw(self.echo + noise)
        self.double = lines.alaw(self.echo + noise + self.talk)
        cut = CHANGE_S * RATE
        other = lines.echo_of(self.sent, [lines.path(model, erl, 20) for model, erl in SETS[3:] + SETS[:3]])
        self.changed = lines.alaw(np.concatenate([self.echo[:, :cut], other[:, cut:]], axis=1) + noise)
        late = lines.echo_of(self.sent, [lines.path(model, erl, 400) for model, erl in SETS])
        self.late = lines.alaw(late + noise)


class Result:
    """Figures of one canceller over all sets."""

    def __init__(self, make, sets):
        after = [_cancelled(make, s.sent, s.single) for s in sets]
        double = [_cancelled(make, s.sent, s.double) for s in sets]
        changed = [_cancelled(make, s.sent, s.changed) for s in sets]
        self.after_change_db = np.concatenate(
            [lines.by_second(s.changed, a)[:, CHANGE_S:] for s, a in zip(sets, changed, strict=True)]
        )
        late = [_cancelled(make, s.sent, s.late, 512) for s in sets]
        self.late_db = np.concatenate([lines.by_second(s.late, a) for s, a in zip(sets, late, strict=True)])
        cut = slice(2 * RATE, 5 * RATE)
        self.erle_db = np.stack(
            [lines.gain_db(s.single[:, cut], a[:, cut]) for s, a in zip(sets, after, strict=True)]
        )
        self.by_second = np.stack([lines.by_second(s.single, a) for s, a in zip(sets, after, strict=True)])
        cut = slice(DOUBLE_TALK_S * RATE, None)
        pairs = list(zip(sets, double, strict=True))
        self.double_db = np.stack([lines.gain_db(s.echo[:, cut], (a - s.talk)[:, cut]) for s, a in pairs])
        self.talk_db = np.stack([lines.gain_db(a[:, cut], s.talk[:, cut]) for s, a in pairs])
        self.double_by_second = np.stack([lines.by_second(s.echo, a - s.talk) for s, a in pairs])

    @property
    def by_line_db(self):
        """Mean over talkers, of each hybrid at each loss, in the order of `SETS`."""
        return self.erle_db.mean(0)

    @property
    def worst_line(self):
        """The least of these, with its name."""
        model, erl_db = SETS[int(self.by_line_db.argmin())]
        return f"{self.by_line_db.min():.1f} dB ({model}, ERL {erl_db} dB)"


def _cancelled(make, far, near, taps=256):
    canceller = make(len(far), taps)
    after = lines.cancel(canceller, far, near)
    if hasattr(canceller, "close"):
        canceller.close()
    return after


def measure(findings):
    findings.begin("echo", f"G.168 D.2-D.9, ERL 10 and 6 dB, 32 ms tail, A-law, {16 * TALKERS} calls")
    sets = [Set(501 + 10 * i) for i in range(TALKERS)]
    results = {"zongji": Result(EchoCanceller, sets)}
    missing = {}
    for name, make in CANCELLERS.items():
        try:
            results[name] = Result(make, sets[:1] if name.startswith("spandsp") else sets)
        except peers.Missing as error:
            missing[name] = f"not installed: {error}"

    def row(what, target, met, text):
        others = {name: (lambda r=results[name]: text(r)) for name in CANCELLERS if name in results}
        others |= {name: (lambda why=why: why) for name, why in missing.items()}
        findings.add(what, target, text(results["zongji"]), met, **others)

    mine = results["zongji"]
    row("ERLE 2-5 s, mean", "≥ 30 dB", mine.erle_db.mean() >= 30, lambda r: f"{r.erle_db.mean():.1f} dB")
    row(
        f"ERLE 2-5 s, worst of {len(SETS)} hybrids and losses, each the mean over {TALKERS} talkers",
        "≥ 30 dB", mine.by_line_db.min() >= 30, lambda r: r.worst_line,
    )  # fmt: skip
    for erl_db in (10, 6):
        at = [i for i, (_, loss_db) in enumerate(SETS) if loss_db == erl_db]
        row(
            f"ERLE 2-5 s, means over talkers at ERL {erl_db} dB: {', '.join(lines.MODELS)}", "≥ 30 dB",
            mine.by_line_db[at].min() >= 30,
            lambda r, at=at: ", ".join(f"{value:.1f}" for value in r.by_line_db[at]) + " dB",
        )  # fmt: skip
    row("ERLE 2-5 s, worst single call", "-", None, lambda r: f"{r.erle_db.min():.1f} dB")
    row(
        "worst second of any call, the first included", "≥ 0 dB", mine.by_second.min() >= 0,
        lambda r: f"{r.by_second.min():.1f} dB",
    )  # fmt: skip
    row("ERLE in the first second, mean", "-", None, lambda r: f"{r.by_second[:, :, 0].mean():.1f} dB")
    row(
        "double-talk: echo taken away, damage to speech counted as echo", "≥ 6 dB", mine.double_db.min() >= 6,
        lambda r: f"{r.double_db.mean():.1f} dB (worst call {r.double_db.min():.1f} dB)",
    )  # fmt: skip
    row(
        "double-talk: level of the near end", "±0.5 dB", np.abs(mine.talk_db).max() <= 0.5,
        lambda r: f"{r.talk_db.mean():+.1f} dB (worst {r.talk_db.flat[np.abs(r.talk_db).argmax()]:+.1f} dB)",
    )  # fmt: skip
    row(
        "another path in mid-call: more than 20 dB in the third second after it", "≥ 95 % of calls",
        np.mean(mine.after_change_db[:, 2] > 20) >= 0.95,
        lambda r: f"{percent(np.mean(r.after_change_db[:, 2] > 20))} "
        f"(second {r.after_change_db[:, 1].mean():.1f} dB, third {r.after_change_db[:, 2].mean():.1f} dB)",
    )  # fmt: skip
    row(
        "64 ms tail, echo after 50 ms: ERLE 2-5 s and 6-9 s, mean", "-", None,
        lambda r: f"{r.late_db[:, 2:5].mean():.1f} dB, {r.late_db[:, 6:].mean():.1f} dB",
    )  # fmt: skip
    _conversations(findings)
    _cost(findings, sets)
    seconds = [i + 0.5 for i in range(SECONDS)]
    for name, title, of in (
        ("erle", "Echo return loss enhancement over time", "by_second"),
        ("erle-double-talk", f"The same with double-talk from {DOUBLE_TALK_S} s on", "double_by_second"),
    ):
        series = {who: getattr(r, of).mean((0, 1)).tolist() for who, r in results.items()}
        findings.curves.append(Curve(name, title, "time, s", "dB, mean of all calls", seconds, series))


def _conversations(findings):
    """Through the whole box, whose telephones have hybrids too: see `tests.bench.office`."""
    gone_db, left_db = (np.concatenate(x) for x in zip(*map(office.agent_alone, (6.0, 10.0)), strict=True))
    findings.add(
        f"conversations, line and telephone of 6 and 10 dB: the agent alone, {len(gone_db)} calls", "≥ 20 dB",
        f"{gone_db.mean():.1f} dB less comes back (worst {gone_db.min():.1f} dB), {left_db.mean():.1f} dBm0",
        gone_db.min() >= 20,
    )  # fmt: skip


def _cost(findings, sets):
    """64 channels × 256 taps, everybody talking; converged, as lines are after their first call."""
    far = peers.pcm(np.concatenate([np.roll(sets[0].sent, i * 9001, axis=1) for i in range(4)]))
    near = peers.pcm(np.concatenate([np.roll(sets[0].single, i * 9001, axis=1) for i in range(4)]))
    blocks = [
        (far[:, i : i + 160].astype(np.float32), near[:, i : i + 160].astype(np.float32))
        for i in range(0, far.shape[1], 160)
    ]
    canceller = EchoCanceller(64)
    took_s = []
    # The engine hands over what it has just written.
    fresh_sent, fresh_heard = np.empty((2, 64, 160), np.float32)
    for i in range(3):
        for sent, heard in blocks:
            np.copyto(fresh_sent, sent)
            np.copyto(fresh_heard, heard)
            begin_s = time.thread_time()
            canceller.process(fresh_sent, fresh_heard)
            if i:
                took_s.append(time.thread_time() - begin_s)
    median, mean = float(np.median(took_s)) / 0.02, float(np.mean(took_s)) / 0.02
    speex = functools.cache(lambda: peers.speex_echo_cost(far[:, :24000], near[:, :24000]))
    alone = functools.cache(lambda: peers.speex_echo_cost(far[:, :24000], near[:, :24000], False))
    findings.add(
        "cost, 64 channels × 256 taps, mean", "≤ 1.5 % of a core",
        f"{100 * mean:.2f} % (median tick {100 * median:.2f} %, "
        f"99th percentile {np.percentile(took_s, 99) * 1000:.2f} ms)",
        mean <= 0.015,
        SpeexDSP=lambda: f"{percent(speex())} ({percent(alone())} without its residual suppression)",
        spandsp=lambda: percent(peers.spandsp_echo_cost(far[:, :8000], near[:, :8000]))
        + ", with the two lines it prints per sample in Debian's build",
    )  # fmt: skip
    findings.add_against(
        "cost, 64 channels × 256 taps, mean", "SpeexDSP without its residual suppression", 0.33,
        "1.5 % where SpeexDSP took 4.6 %", mean, alone,
    )  # fmt: skip
