"""The page on delivery: each of its sentences has a test that is there, and each script a paragraph."""

import re
import tomllib
from functools import cache
from importlib.resources import files

import pytest

from orchestrator.transport import scripts
from tests.pages import ROOT

_PROOFS = tomllib.loads((ROOT / "tests/delivery.toml").read_text(encoding="utf-8"))["proof"]
_SCRIPTS = sorted(
    entry.name.removesuffix(".lua") for entry in files(scripts).iterdir() if entry.name.endswith(".lua")
)


def _page() -> str:
    return (ROOT / "docs/explanation/delivery.md").read_text(encoding="utf-8")


def _sentences() -> list[str]:
    """What the page claims: the sentences below its introduction, without headings and tables."""
    body = _page().split("\n## ", 1)[1]
    paragraphs = re.split(r"\n\n|\n(?=- )", body)
    prose = [each for each in paragraphs if not each.lstrip().startswith(("#", "|", "Where a message is"))]
    joined = [" ".join(each.removeprefix("- ").split()) for each in prose]
    return [sentence for each in joined for sentence in re.split(r"(?<=\.) (?=[A-Z`*])", each)]


@cache
def _tests_in(path: str) -> frozenset[str]:
    text = (ROOT / "tests" / path).read_text(encoding="utf-8")
    return frozenset(re.findall(r"^def (test_\w+)", text, re.MULTILINE))


def test_each_sentence_has_its_proof_in_the_order_of_the_page() -> None:
    sentences = _sentences()

    proved = [next((p["says"] for p in _PROOFS if each.startswith(p["says"])), each) for each in sentences]

    assert proved == [proof["says"] for proof in _PROOFS]


@pytest.mark.parametrize("proof", _PROOFS, ids=lambda proof: proof["says"])
def test_its_tests_are_there(proof: dict[str, list[str]]) -> None:
    assert proof["tests"]
    for test in proof["tests"]:
        path, name = test.split("::")
        assert name in _tests_in(path)


@pytest.mark.parametrize("script", _SCRIPTS)
def test_every_script_has_a_paragraph_and_a_head(script: str) -> None:
    text = (files(scripts) / f"{script}.lua").read_text(encoding="utf-8")
    head = text.split("\n\n", 1)[0]

    assert f"**{script}**" in _page()
    assert "-- KEYS" in head
    assert "-- Returns" in head
