"""Numbers and lengths of a narrow table stay within its columns."""

import pytest

from monitoring.cli.metrics.rendering import _length, _short


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (None, "-"), (0.0, "0.0µs"), (0.004, "4.0µs"), (0.9994, "999µs"), (0.9996, "1.0ms"), (9.96, "10ms"),
        (999.4, "999ms"), (999.6, "1.0s"), (59_990.0, "1.0m"), (90_000.0, "1.5m"), (3_599_999.0, "1.0h"),
        (1e9, "12d"),
    ],
)  # fmt: skip
def test_a_length_has_five_characters_at_most(ms: float | None, shown: str) -> None:
    assert _length(ms) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(None, ""), (0, "0"), (9999, "9999"), (12_345, "12k"), (1_234_567, "1.2M"), (99_900_000, "99M")],
)  # fmt: skip
def test_a_number_has_five_characters_at_most(number: int | None, shown: str) -> None:
    assert _short(number) == shown
