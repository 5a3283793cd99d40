"""Figures and their bars, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """What was measured of us and of the peers; `met` holds `value` against the bar, None without one."""

    label: str
    ours: str
    bar: str = ""
    met: bool | None = None
    peers: dict[str, str] = field(default_factory=dict)


def show(figures: list[Figure], *, as_json: bool) -> None:
    """Print them."""
    if as_json:
        print(
            json.dumps({"figures": [asdict(figure) for figure in figures], "met": all_met(figures)}, indent=2)
        )
        return
    width = max(len(figure.label) for figure in figures)
    for figure in figures:
        print(_line(figure, width))


def all_met(figures: list[Figure]) -> bool:
    """Whether no bar was missed."""
    return all(figure.met is not False for figure in figures)


def _line(figure: Figure, width: int) -> str:
    verdict: Any = {True: "met", False: "MISSED", None: ""}[figure.met]
    peers = "; ".join(f"{name} {value}" for name, value in figure.peers.items())
    return f"{figure.label:{width}}  {figure.ours:>22}  {figure.bar:14} {verdict:6} {peers}".rstrip()
