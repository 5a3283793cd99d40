"""What Prometheus is told."""

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from monitoring.judging.surroundings import Surroundings
from monitoring.performance import PerformanceMonitor
from tests.unit.performance.driven import Driven

LABELS = {
    "omninode_request_duration_seconds": {"component", "operation", "status"},
    "omninode_requests_total": {"component", "operation", "status"},
    "omninode_errors_total": {"component", "error_type"},
    "omninode_circuit_breaker_trips_total": {"component"},
    "omninode_timeout_failures_total": {"component"},
    "omninode_retry_attempts_total": {"component"},
    "omninode_dead_letter_messages_total": {"topic"},
    "omninode_system_health_status": set(),
    "omninode_active_connections": {"service"},
    "omninode_memory_usage_bytes": set(),
}


def _samples(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_all_ten_names_are_there_before_anything_has_happened() -> None:
    text = Driven().monitor.prometheus()

    typed = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert typed == set(LABELS)


def test_each_metric_has_exactly_its_labels() -> None:
    driven = Driven(around=Surroundings(5, {"redis": 2}))
    driven.call(1, 1)
    for event in ("circuit_breaker_trip", "timeout", "retry", "dead_letter"):
        driven.monitor.record_event(event, "shop")

    found = _samples(driven.monitor.prometheus())

    names = {
        name.replace("omninode_request_duration_seconds_count", "omninode_request_duration_seconds")
        for name in found
    }
    assert set(LABELS) <= names
    for name, labels in LABELS.items():
        (series, *_) = found.get(name) or found[f"{name}_count"]
        assert {label for label, _ in series} == labels, name
    assert found["omninode_active_connections"] == {(("service", "redis"),): 2}
    assert found["omninode_memory_usage_bytes"] == {(): 5}


def test_the_histogram_is_cumulative_and_its_bounds_reach_from_milliseconds_to_minutes() -> None:
    driven = Driven()
    for ms in (1.0, 250.0, 251.0, 700_000.0, 3_600_000.0):
        driven.call(1, ms=ms)

    buckets = _samples(driven.monitor.prometheus())["omninode_request_duration_seconds_bucket"]
    counts = {dict(labels)["le"]: count for labels, count in buckets.items()}

    assert [counts[bound] for bound in ("0.00390625", "0.25", "0.5", "512", "1024", "+Inf")] == [
        1,
        2,
        3,
        3,
        4,
        5,
    ]
    assert len(counts) == 20


def test_health_is_a_number() -> None:
    well, worse, worst = Driven(), Driven(), Driven()
    worse.call(94, 6)
    worst.call(0, 10)

    found = [_samples(each.monitor.prometheus()) for each in (well, worse, worst)]

    assert [each["omninode_system_health_status"][()] for each in found] == [0, 1, 2]


def test_any_text_is_a_label() -> None:
    monitor = PerformanceMonitor(listens=False, shared=False)
    names = ['say "hi"', "two\nlines", "back\\slash", "日本", "half \ud800", "nul \0"]
    for name in names:
        monitor.record(name, name, 1.0, True)

    counts = _samples(asyncio.run(monitor.get_prometheus_metrics()))["omninode_requests_total"]

    shown = {dict(labels)["component"] for labels in counts}
    assert shown == {names[0], r"two\nlines", *names[2:4], r"half \ud800", r"nul \x00"}
