"""The lines of histograms say to Prometheus what those of its own library say."""

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from monitoring.performance import histograms
from monitoring.recording.buckets import FIRST, LAST
from monitoring.recording.sums import Calls
from tests.unit.performance.library import of_the_library

_ABOUT = histograms.About("took_seconds", "How long\nit \\took.", ("task", "queue"))
_AWKWARD = st.text(alphabet='"\\\n{},= äab\r\x00', max_size=20) | st.text(max_size=40).filter(
    lambda text: text.isascii() or text.isprintable()
)
_COUNTS = st.dictionaries(st.integers(FIRST, LAST), st.integers(1, 10**12), max_size=8)


@st.composite
def _durations(draw: st.DrawFn) -> Calls:
    counts = draw(_COUNTS)
    return Calls(sum(counts.values()), draw(st.integers(0, 10**18)), counts, 0, 0)


def _of_the_library(found: dict[tuple[str, ...], Calls]) -> str:
    metric = HistogramMetricFamily(_ABOUT.name, _ABOUT.help, labels=_ABOUT.labels)
    for values, calls in found.items():
        buckets = [
            (shown, sum(count for index, count in calls.buckets.items() if index <= bound))
            for bound, shown in histograms.BOUNDS
        ]
        metric.add_metric(values, [*buckets, ("+Inf", calls.count)], calls.micros / 1e6)
    return of_the_library([metric])


def _read(text: str) -> tuple[str, str, str, list[tuple[str, tuple[tuple[str, str], ...], float]]]:
    (family,) = text_string_to_metric_families(text)
    samples = [(each.name, tuple(sorted(each.labels.items())), each.value) for each in family.samples]
    return family.name, family.documentation, family.type, sorted(samples)


@settings(max_examples=60)
@given(st.dictionaries(st.tuples(_AWKWARD, _AWKWARD), _durations(), min_size=1, max_size=4))
def test_they_are_read_as_those_of_the_library(found: dict[tuple[str, ...], Calls]) -> None:
    assert _read(histograms.text(_ABOUT, found.items())) == _read(_of_the_library(found))


def test_a_label_of_ten_thousand_quotes_backslashes_and_newlines_comes_through_whole() -> None:
    value = '"\\\n' * 3400
    found: dict[tuple[str, ...], Calls] = {(value, "q"): Calls(1, 5, {0: 1}, 5, 5)}

    assert _read(histograms.text(_ABOUT, found.items())) == _read(_of_the_library(found))
    assert _read(histograms.text(_ABOUT, found.items()))[3][0][1][-1] == ("task", value)


def test_buckets_are_cumulated_at_the_powers_of_two() -> None:
    text = histograms.text(_ABOUT, [(("a", "b"), Calls(3, 1_500_000, {-8: 1, -7: 1, 160: 1}, 1, 2))])

    assert 'took_seconds_bucket{task="a",queue="b",le="0.5"} 1\n' in text
    assert 'took_seconds_bucket{task="a",queue="b",le="1"} 2\n' in text
    assert 'took_seconds_bucket{task="a",queue="b",le="1024"} 2\n' in text
    assert 'took_seconds_bucket{task="a",queue="b",le="+Inf"} 3\n' in text
    assert 'took_seconds_sum{task="a",queue="b"} 1.5\n' in text
