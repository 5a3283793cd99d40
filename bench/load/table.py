"""What was measured, held against the bars: as a table for people and as JSON for programs."""

from dataclasses import dataclass
from typing import Any

from bench.load.figures import Figure
from bench.load.rounds import Results


@dataclass(frozen=True)
class Row:
    """One figure: medians, their ratio, and whether the bar is met; or why there is nothing to show."""

    figure: Figure
    ours: float | None = None
    peer: float | None = None
    ratio: float | None = None
    met: bool | None = None
    remark: str = ""

    @property
    def verdict(self) -> str:
        """As it stands in the table."""
        return {True: "met", False: "missed", None: "skipped"}[self.met]


def judge(figure: Figure, results: Results) -> Row:
    """Hold the medians of one figure against its bar: a failed measurement is a missed bar."""
    keys = [(reading.measurement, reading.contender) for reading in figure.readings]
    for key in keys:
        if key in results.skipped:
            return Row(figure, remark=results.skipped[key])
    for key in keys:
        if key in results.failed:
            return Row(figure, met=False, remark=f"{key[1].name}, {key[0]}: {results.failed[key]}")
    ours = max(results.median(reading) for reading in figure.ours)
    peer = results.median(figure.peer)
    ratio = ours / peer if peer else float("inf")
    return Row(figure, ours, peer, ratio, figure.bar.met(ours, ratio))


def text(rows: list[Row], title: str) -> str:
    """The table; failed and skipped figures have a line of their own below it."""
    width = max(len(row.figure.label) for row in rows)
    heading = f"{title:{width}} {'OmniNode':>9} {'peer':>9} {'ratio':>6}  {'bar':7} verdict"
    remarks = [f"{row.figure.label}: {row.remark}" for row in rows if row.remark]
    return "\n".join([heading, *(_line(row, width) for row in rows), *remarks])


def _line(row: Row, width: int) -> str:
    ours, peer, ratio = (_short(value) for value in (row.ours, row.peer, row.ratio))
    return f"{row.figure.label:{width}} {ours:>9} {peer:>9} {ratio:>6}  {row.figure.bar!s:7} {row.verdict}"


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"  # noqa: PLR2004 (three figures are enough)


def record(row: Row, results: Results) -> dict[str, Any]:
    """One figure as JSON, with every round."""
    rounds = {
        f"{reading.contender.name}, {reading.measurement}": results.of(reading)
        for reading in row.figure.readings
        if (reading.measurement, reading.contender) in results.values
    }
    return {
        "name": row.figure.name,
        "figure": row.figure.label,
        "ours": row.ours,
        "peer": row.peer,
        "peer_name": row.figure.peer.contender.name,
        "ratio": row.ratio,
        "bar": str(row.figure.bar),
        "met": row.met,
        "remark": row.remark,
        "rounds": rounds,
    }
