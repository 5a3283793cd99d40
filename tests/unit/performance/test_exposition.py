"""The lines of counters and gauges say to Prometheus what those of its own library say."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from monitoring.performance import exposition
from tests.unit.performance.library import of_the_library

_HELP = "What\nhas \\happened."
_AWKWARD = st.text(alphabet='"\\\n{},= äab\r\x00', max_size=20) | st.text(max_size=40).filter(
    lambda text: text.isascii() or text.isprintable()
)
_VALUES = st.integers(0, 10**17) | st.floats() | st.booleans()


def _families(found: dict[tuple[str, str], float]) -> list[Metric]:
    counter = CounterMetricFamily("shop_orders_total", _HELP, labels=("who", "what"))
    gauge = GaugeMetricFamily("shop_state", _HELP, labels=("who", "what"))
    for values, value in found.items():
        counter.add_metric(values, value)
        gauge.add_metric(values, value)
    return [
        counter,
        gauge,
        GaugeMetricFamily("shop_age_seconds", "Age.", 1.5),
        GaugeMetricFamily("empty", ""),
    ]


def _read(text: str) -> list[tuple[str, str, str, list[tuple[str, dict[str, str], str]]]]:
    families: Iterable[Metric] = text_string_to_metric_families(text)
    return [
        # As text: what is not a number is not equal to itself.
        (each.name, each.documentation, each.type, [(s.name, s.labels, repr(s.value)) for s in each.samples])
        for each in families
    ]


@settings(max_examples=60)
@given(st.dictionaries(st.tuples(_AWKWARD, _AWKWARD), _VALUES, max_size=4))
def test_they_are_read_as_those_of_the_library(found: dict[tuple[str, str], float]) -> None:
    assert _read(exposition.text(_families(found))) == _read(of_the_library(_families(found)))


def test_a_line_is_as_it_stands_in_the_format() -> None:
    family = GaugeMetricFamily("shop_known", "Whether.\nOr not.", labels=("what",))
    family.add_metric(('a"\\\n',), True)

    assert exposition.text([family]) == (
        '# HELP shop_known Whether.\\nOr not.\n# TYPE shop_known gauge\nshop_known{what="a\\"\\\\\\n"} 1.0\n'
    )
