"""What the checks' results mean for the whole."""

from itertools import count

import pytest

from monitoring.health.verdict import CheckResult, Overall, Status, conclude

_numbers = count()


def _result(status: Status, *, critical: bool = False) -> CheckResult:
    return CheckResult(f"check-{next(_numbers)}", status, 0.0125, "a sentence", 1_700_000_000.0, critical)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], "healthy"),
        ([_result("healthy", critical=True), _result("healthy")], "healthy"),
        ([_result("healthy", critical=True), _result("degraded")], "degraded"),
        ([_result("healthy", critical=True), _result("unhealthy")], "degraded"),
        ([_result("degraded", critical=True), _result("healthy")], "degraded"),
        ([_result("unhealthy", critical=True), _result("healthy")], "critical"),
        ([_result("degraded"), _result("unhealthy", critical=True)], "critical"),
    ],
)
def test_the_worst_result_decides_and_only_what_is_critical_makes_it_critical(
    results: list[CheckResult], expected: Overall
) -> None:
    assert conclude(results).status == expected


def test_a_report_as_json_has_status_latency_in_milliseconds_and_sentence_of_each_check() -> None:
    report = conclude([CheckResult("redis", "healthy", 0.0125, "works", 1_700_000_000.0, critical=True)])

    assert report.as_json() == {
        "status": "healthy",
        "checks": [
            {
                "name": "redis",
                "status": "healthy",
                "latency_ms": 12.5,
                "sentence": "works",
                "checked_at": "2023-11-14T22:13:20+00:00",
            }
        ],
    }
