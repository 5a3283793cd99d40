"""Rules and configuration files of Prometheus: whole, allowed, and proved by promtool's unit tests."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.schedule import HOUSEKEEPING
from tests.observability.programs import programs

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "monitoring" / "prometheus"
RULES = FOLDER / "omninode.rules.yml"
PROOFS = FOLDER / "omninode.rules.test.yml"
TASKS = [*sorted(HOUSEKEEPING), "omninode.models.call", "shop.pay"]
_GITHUB_LEAVES = re.compile(r"[^\w\- ]")


def _rules(kind: str) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from (rule for rule in group["rules"] if kind in rule)


ALERTS = {rule["alert"]: rule for rule in _rules("alert")}


def _run(*command: object) -> None:
    done = subprocess.run(
        [str(part) for part in command], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_rules() -> None:
    _run(programs().promtool, "check", "rules", "--lint-fatal", RULES.name)


def test_promtool_proves_the_rules() -> None:
    _run(programs().promtool, "test", "rules", PROOFS.name)


def test_promtool_accepts_prometheus_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    copy = (FOLDER / "prometheus.yml").read_text().replace("/run/omninode/exporter", f"{tmp_path}/token")
    (tmp_path / "prometheus.yml").write_text(copy)
    (tmp_path / RULES.name).symlink_to(RULES)

    _run(programs().promtool, "check", "config", tmp_path / "prometheus.yml")


def test_amtool_accepts_alertmanager_configuration() -> None:
    _run(programs().amtool, "check-config", "alertmanager.yml")


def test_there_is_an_alert_for_all_that_can_go_wrong() -> None:
    assert set(ALERTS) == {
        "OmninodeAlertRaised",
        "OmninodeBeatLate",
        "OmninodeBreakerOpen",
        "OmninodeBudgetBurnsFast",
        "OmninodeBudgetBurnsSlowly",
        "OmninodeErrorRate",
        "OmninodeErrorRateOfAll",
        "OmninodeExporterDown",
        "OmninodeHealthCritical",
        "OmninodeHealthDegraded",
        "OmninodeLettersPerMinute",
        "OmninodeMetricsBehind",
        "OmninodeNamesOverflowed",
        "OmninodeNoRelay",
        "OmninodeNoWorkers",
        "OmninodeOpenLetters",
        "OmninodeOutboxFull",
        "OmninodeOutboxWaits",
        "OmninodeQueueAge",
        "OmninodeQueueUnserved",
        "OmninodeRedisAway",
        "OmninodeResponseTime",
        "OmninodeStuckTasks",
        "OmninodeUnknown",
    }


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_is_proved_to_be_raised_and_then_cleared(name: str) -> None:
    proved = False
    for proof in yaml.safe_load(PROOFS.read_text())["tests"]:
        moments = [
            (_minutes(step["eval_time"]), bool(step.get("exp_alerts")))
            for step in proof.get("alert_rule_test", [])
            if step["alertname"] == name
        ]
        raised = [at for at, is_raised in moments if is_raised]
        proved |= any(raised and at > min(raised) and not is_raised for at, is_raised in moments)

    assert proved


def _minutes(length: str) -> int:
    found = re.fullmatch(r"(\d+)m", length)
    assert found, f"{length} is not in minutes"
    return int(found[1])


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]

    assert alert["labels"]["severity"] in {"info", "warning", "critical", "{{ $labels.severity }}"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {_GITHUB_LEAVES.sub("", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_whole_is_judged_without_our_own_housekeeping() -> None:
    (ended, failed) = (
        next(rule["expr"] for rule in _rules("record") if rule["record"] == name)
        for name in ("omninode:ended:rate5m", "omninode:errors:ratio_rate5m")
    )

    for expression in (ended, failed):
        (pattern,) = re.findall(r'component!~\s*"([^"]*)"', expression)
        assert [name for name in TASKS if re.fullmatch(pattern, name)] == sorted(HOUSEKEEPING)


def test_names_of_recorded_series_say_of_what_they_are() -> None:
    names = [rule["record"] for rule in _rules("record")]

    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", name) for name in names)
