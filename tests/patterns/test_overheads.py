"""The document's overhead table: a benchmark measures each row beside what the document claims of it."""

import re
from pathlib import Path

from tests.pages import ROOT
from tests.patterns import document
from tests.patterns.proofs import proves


@proves(*(f"overhead: {row}" for row in document.overheads()))
def test_the_benchmark_measures_the_row_and_shows_its_claims(item: str) -> None:
    row = item.removeprefix("overhead: ")
    table = (Path(__file__).parent / "resilience_patterns.md").read_text(encoding="utf-8")
    cells = re.search(rf"^\| {row} \|(.*)\|$", table, re.MULTILINE)
    assert cells

    benchmark = (ROOT / "bench/overhead.py").read_text(encoding="utf-8")

    for claim in cells[1].split("|"):
        assert f'"{claim.strip()}"' in benchmark
    assert f'"{row}"' in benchmark or f'"{row}: ' in benchmark
