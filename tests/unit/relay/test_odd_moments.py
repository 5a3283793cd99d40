"""Moments that cannot be right hold up no letter and lose none."""

import time

import pytest

from orchestrator.deadletter.record import Record
from orchestrator.relay.entry import from_stream
from orchestrator.relay.kafka.records import timestamp_ms

_DAY_MS = 86_400_000


def _stamped(record_ms: int) -> int:
    return timestamp_ms(Record(b"", b"", [], record_ms), retention_days=90.0)


def test_a_record_bears_the_moment_of_death() -> None:
    died = int(time.time() * 1000) - 44 * _DAY_MS

    assert _stamped(died) == died


@pytest.mark.parametrize("days_ago", [20_000, 46, -1])
def test_a_record_that_kafka_would_delete_or_refuse_for_its_time_bears_the_present(days_ago: float) -> None:
    now_ms = int(time.time() * 1000)

    assert now_ms <= _stamped(now_ms - int(days_ago * _DAY_MS)) <= int(time.time() * 1000)


def test_an_entry_whose_number_is_no_moment_is_read_all_the_same() -> None:
    entry = from_stream(b"18446744073709551615-1", {b"raw": b"x"}, ".dlq")

    assert entry.fields["died_at"] == "9999-12-31T23:59:59.000+00:00"
