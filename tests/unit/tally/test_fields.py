"""The fields that outcomes are counted under: bounded, whatever producers call their tasks."""

import tracemalloc

import pytest

from orchestrator.tally import fields
from orchestrator.tally.names import name


def test_a_name_of_a_megabyte_is_counted_under_a_short_one_and_not_kept() -> None:
    tracemalloc.start()
    try:
        counted = {
            fields.outcome(f"{number}{'x' * 1_000_000}", "celery", "succeeded") for number in range(20)
        }
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(counted) == 20
    assert all(len(field) < 300 for field in counted)
    assert kept_bytes < 1_000_000


def test_names_that_producers_invent_leave_the_tasks_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    for known in ("_pairs", "_unmade"):
        monkeypatch.setattr(fields, known, set())
    invented = {
        fields.outcome(f"invented.{number}", "celery", "dead_lettered", "unknown_task")
        for number in range(5000)
    }

    assert len(invented) == 101
    assert fields.field("outcome", "other", "celery", "dead_lettered", "unknown_task") in invented
    assert fields.outcome("a.real.one", "celery", "succeeded") == fields.field(
        "outcome", "a.real.one", "celery", "succeeded", ""
    )


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("shop.pay\x00\x1b[31m", r"shop.pay\x00\x1b[31m"),
        ("two\nlines\x9b\x7f", r"two\nlines\x9b\x7f"),
        ("a\u2028b", r"a\u2028b"),
        ("größe ✓ \\x00", "größe ✓ \\x00"),
    ],
)
def test_a_name_has_no_character_that_a_terminal_obeys(text: str, counted: str) -> None:
    assert name(text) == counted
    assert name(counted) == counted
