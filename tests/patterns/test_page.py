"""The page that says where each pattern is names all that the document does; its imports work."""

import re

from tests.pages import ROOT, blocks
from tests.patterns import document

_PAGE = (ROOT / "docs/reference/patterns.md").read_text(encoding="utf-8")


def _first_cells(section: str) -> list[str]:
    table = _PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)


def test_the_tables_have_every_variable_metric_and_key() -> None:
    assert _first_cells("Variables") == list(document.variables())
    assert _first_cells("Metrics") == document.metrics()
    paths = [path for path in document.keys() if "=" not in path]  # noqa: SIM118 (it is a module)
    keys = [path.replace(".kafka_client.", ".*.") for path in paths]
    assert _first_cells("Keys of the dashboard") == keys


def test_the_lines_that_the_readme_types_to_test_are_those_of_the_document() -> None:
    (block,) = [each.body for each in blocks("README.md") if each.info == "bash"]

    assert block == document.sample("Testing")


def test_the_imports_of_the_page_work() -> None:
    lines = re.findall(r"`(from \S+ import [^`]+)`", _PAGE)

    assert len(lines) == 5
    for line in lines:
        exec(line, {})  # noqa: S102 (to type what is shown)
