"""The document is proved to its last item: nothing of it lacks a proof, and no proof is of something else."""

from collections import Counter

import pytest

from tests.patterns import document, proofs


def test_every_item_of_the_document_has_one_proof_and_nothing_else_has() -> None:
    proved = proofs.collected()

    assert [item for item in document.items() if item not in proved] == []
    assert [item for item in proved if item not in document.items()] == []
    assert {item: places for item, places in proved.items() if len(places) > 1} == {}


def test_every_proof_is_there() -> None:
    places = {place for each in proofs.collected().values() for place in each}

    assert [place for place in sorted(places) if not proofs.is_there(place)] == []


def test_the_parts_of_the_document_are_all_found(capsys: pytest.CaptureFixture[str]) -> None:
    counts = Counter(document.kind(item) for item in document.items())
    with capsys.disabled():
        print(f"\n{counts.total()} items: {', '.join(f'{n} {name}s' for name, n in counts.items())}")  # noqa: T201

    assert counts == {
        "sample": 14,
        "variable": 12,
        "metric": 10,
        "key": 18,
        "command": 4,
        "call": 20,
        "argument": 28,
        "member": 5,
        "result": 2,
        "overhead": 5,
        "claim": 29,
    }
