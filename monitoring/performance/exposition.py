"""From counters and gauges to the lines of Prometheus' text: those that prometheus_client would write.

It takes sixteen microseconds for a line, since it asks of every name whether it is a legal one: ours are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric


def text(families: Iterable[Metric]) -> str:
    """All of their lines; a family without samples has a name, a help and a type."""
    return "".join(line for family in families for line in _lines(family))


def head(name: str, says: str, kind: str) -> str:
    """The two lines that come before a family's samples."""
    says = says.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {says}\n# TYPE {name} {kind}\n"


def labels(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values of labels, as they stand between braces."""
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in pairs])


def _lines(family: Metric) -> Iterator[str]:
    suffix = "_total" if family.type == "counter" else ""
    yield head(family.name + suffix, family.documentation, family.type)
    for sample in family.samples:
        about = f"{{{labels(sample.labels.items())}}}" if sample.labels else ""
        yield f"{sample.name}{about} {float(sample.value)!r}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
