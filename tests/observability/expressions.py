"""The expressions of the rules and the dashboard: all of them, and as they are where time passes faster."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "monitoring" / "prometheus" / "omninode.rules.yml"
CONFIGURATION = RULES.with_name("prometheus.yml")
DASHBOARD = ROOT / "monitoring" / "grafana" / "dashboards" / "omninode.json"
# Tests scrape and judge fifteen times as often as compose does, and have less patience.
FASTER = 60
_UNITS = {"s": 1, "m": 60, "h": 3600}
_VARIABLES = {"$__rate_interval": "5s", "$component": ".*", "$queue": ".*"}


@dataclass(frozen=True)
class Query:
    """One query of a panel; `labels` are those that its legend names."""

    panel: str
    expression: str
    labels: frozenset[str]


def rules() -> list[dict[str, Any]]:
    """All, alerts and recorded ones."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def faster_rules() -> str:
    """The rules file with every window and every `for` a sixtieth as long; limits are as they are."""
    text = re.sub(r"(?<=\[)\w+(?=\])", _faster, RULES.read_text())
    return re.sub(r"(?<=^        for: )\w+$", _faster, text, flags=re.MULTILINE)


def panels() -> list[dict[str, Any]]:
    """Those of the dashboard, without the headings of rows."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """What the dashboard's panels ask for, with its variables as they are at first."""
    for panel in panels():
        for target in panel["targets"]:
            labels = frozenset(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            yield Query(panel["title"], substituted(target["expr"]), labels)


def substituted(expression: str) -> str:
    """The expression with a value for each variable.

    Raises:
        AssertionError: it has a variable that nobody knows, or one that is not matched as a pattern.
    """
    assert not re.search(r'(?<!=~)"\$', expression), f"a variable is no pattern in {expression}"
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"an unknown variable is in {expression}"
    return expression


def metric_names(expression: str) -> set[str]:
    """The series that an expression is of."""
    without_texts = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"\b(?:\w+:)?omninode[a-z0-9_:]*|\bALERTS\b|\bup\b|\bscrape_\w+", without_texts))


def _faster(length: re.Match[str]) -> str:
    count, unit = int(length[0][:-1]), length[0][-1]
    seconds, rest = divmod(count * _UNITS[unit], FASTER)
    assert not rest, f"{length[0]} is not of whole minutes"
    return f"{seconds}s"
