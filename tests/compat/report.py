"""The verdict for a person, as a table and lists, and for a program, as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tests.compat.results import Results
from tests.compat.verdict import Difference, Verdict, counts

_COLUMNS = ("passed", "failed", "skipped", "reruns", "seconds")
_LISTS = {
    "worse": "pass on stock alone",
    "better": "pass on OmniNode alone",
    "both_fail": "pass on neither",
}


def text(sides: Mapping[str, Results], files: Sequence[str], verdict: Verdict | None) -> str:
    """A table of both sides by file, and every test that did not pass on both."""
    lines = [f"{'':<16} {'':<9}" + "".join(f"{column:>9}" for column in _COLUMNS)]
    for file in [*files, *(["total"] if len(files) > 1 else [])]:
        for side, results in sides.items():
            found = _counts(results, files if file == "total" else [file])
            figures = "".join(f"{found[column]:>9g}" for column in _COLUMNS)
            lines.append(f"{file:<16} {side:<9}{figures}")
    if verdict:
        for name, title in _LISTS.items():
            lines.extend(_listed(title, getattr(verdict, name)))
    return "\n".join(lines)


def record(sides: Mapping[str, Results], files: Sequence[str], verdict: Verdict | None) -> dict[str, Any]:
    """The same as JSON."""
    tables = {side: {file: counts(results, file) for file in files} for side, results in sides.items()}
    return {"sides": tables, **(asdict(verdict) if verdict else {})}


def _counts(results: Results, files: Sequence[str]) -> dict[str, float]:
    found = [counts(results, file) for file in files]
    return {column: round(sum(each[column] for each in found), 1) for column in _COLUMNS}


def _listed(title: str, differences: Sequence[Difference]) -> Iterator[str]:
    if differences:
        yield f"\n{len(differences)} {title}:"
    for each in differences:
        yield f"  {each.file}::{each.name} (stock {each.stock}, OmniNode {each.omninode})"
        if each.says:
            yield f"      {each.says}"
