"""The dashboard and its provisioning: what Grafana needs to show it, without plugins and without overlaps."""

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import yaml

from tests.observability.expressions import DASHBOARD, ROOT, panels, queries

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_EVERYWHERE = {"stat", "timeseries", "state-timeline", "table"}


@pytest.fixture
def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return read


def test_every_panel_is_one_that_grafana_has_by_itself() -> None:
    assert {panel["type"] for panel in panels()} == _EVERYWHERE


def test_every_panel_asks_the_prometheus_that_was_chosen() -> None:
    assert all(panel["datasource"] == DATASOURCE for panel in panels())
    assert all(target["datasource"] == DATASOURCE for panel in panels() for target in panel["targets"])


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_and_how_it_is_measured(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]

    assert panel["description"].endswith(".")
    assert defaults["noValue"]
    assert defaults["thresholds"]["steps"][0]["value"] is None
    assert panel["type"] in {"table", "state-timeline"} or defaults["unit"]


def test_the_axes_of_lines_are_told_apart_by_legends() -> None:
    lines = [panel for panel in panels() if panel["type"] == "timeseries"]

    assert all(target["legendFormat"] != "__auto" for panel in lines for target in panel["targets"])
    assert all(panel["options"]["legend"]["showLegend"] for panel in lines)


def test_rows_are_full_and_nothing_overlaps(dashboard: dict[str, Any]) -> None:
    cells = Counter(
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    )
    height = max(y for _, y in cells) + 1

    assert set(cells.values()) == {1}
    assert len(cells) == 24 * height
    assert all(one["id"] < other["id"] for one, other in pairwise(dashboard["panels"]))


def test_variables_are_the_source_the_components_and_the_queues(dashboard: dict[str, Any]) -> None:
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}

    assert list(variables) == ["datasource", "component", "queue"]
    assert {name: each["allValue"] for name, each in variables.items() if "allValue" in each} == {
        "component": ".*",
        "queue": ".*",
    }
    assert variables["component"]["query"]["query"] == "label_values(omninode_requests_total, component)"
    assert variables["queue"]["query"]["query"] == "label_values(omninode_queue_messages, queue)"


def test_every_query_has_only_variables_that_there_are() -> None:
    assert len(list(queries())) > 50


def test_grafana_is_given_the_dashboard_and_its_source() -> None:
    folder = ROOT / "monitoring" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "omninode.yml").read_text())["providers"]
    volumes = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]["volumes"]

    assert (source["type"], source["url"], source["isDefault"]) == (
        "prometheus",
        "http://prometheus:9090",
        True,
    )
    assert f"./monitoring/grafana/dashboards:{provider['options']['path']}:ro" in volumes
    assert "./monitoring/grafana/provisioning:/etc/grafana/provisioning:ro" in volumes
