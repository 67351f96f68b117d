"""What the bench finds: rows of a table and curves for plots."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.bench.dsp.peers import Missing


@dataclass
class Row:
    """One line of the table. `met`: None where nothing is promised or it was not measured here."""

    what: str
    target: str
    ours: str
    met: bool | None
    peers: dict[str, str] = field(default_factory=dict)


@dataclass
class Curve:
    """One plot: `series` maps who it is to values, one for each `x`."""

    name: str
    title: str
    x_label: str
    y_label: str
    x: list[float]
    series: dict[str, list[float]]


@dataclass
class Findings:
    """Everything of one run."""

    rows: list[Row] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    group: str = ""

    def begin(self, group, how):
        """The rows that follow are of this group, measured so."""
        self.group = group
        print(f"{group} ({how})", flush=True)

    def add(self, what, target, ours, met, **peers):
        """Add and print a row; a peer is a function that answers its text, and may not be there."""
        found = {}
        for name, measure in peers.items():
            try:
                found[name] = measure()
            except Missing as error:
                found[name] = f"not installed: {error}"
        row = Row(f"{self.group}: {what}", target, ours, None if met is None else bool(met), found)
        self.rows.append(row)
        print(line(row), flush=True)

    def add_against(self, what, peer, most, how, ours, measure):
        """A cost as a multiple of a peer's in the same run.

        most: the multiple that was wanted, and `how` that came about.
        """
        target = f"≤ {most:g} times ({how})"
        try:
            times = ours / max(measure(), 1e-6)
        except Missing as error:
            self.add(what, target, f"not measured: {error} is not installed", None)
            return
        self.add(f"{what}, against {peer} in the same run", target, f"{times:.2f} times", times <= most)


def verdict(row):
    return {True: "met", False: "NOT MET", None: "-"}[row.met]


def line(row):
    """A row for the terminal."""
    text = f"  {row.what}\n      target {row.target} | ours {row.ours} | {verdict(row)}"
    return text + "".join(f"\n      {name}: {found}" for name, found in row.peers.items())


def percent(share):
    return f"{100 * share:.1f} %"
