"""The fields that outcomes are counted under: bounded, whatever producers call their tasks."""

import tracemalloc

from orchestrator.tally import fields


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
