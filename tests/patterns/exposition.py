"""Reads metrics in Prometheus's text format, as Prometheus does."""

from prometheus_client.parser import text_string_to_metric_families

Labels = dict[str, str]


def values(text: str, name: str) -> list[tuple[Labels, float]]:
    """The samples of this name with their labels."""
    found = text_string_to_metric_families(text)
    return [(each.labels, each.value) for family in found for each in family.samples if each.name == name]


def value(text: str, name: str, **labels: str) -> float:
    """The one sample of this name with exactly these labels; 0 where there is none."""
    found = [each for has, each in values(text, name) if has == labels]
    assert len(found) <= 1, found
    return found[0] if found else 0.0


def labels_of(text: str, name: str) -> set[str]:
    """The labels of a metric, but the one for a histogram's buckets."""
    found = text_string_to_metric_families(text)
    short = name.removesuffix("_total")
    samples = [each for family in found if family.name == short for each in family.samples]
    assert samples, f"{name} is not exported"
    return {label for each in samples for label in each.labels} - {"le"}
