"""No alert without its proof, and none that the page does not explain."""

import re
from pathlib import Path

from monitoring.alerts.rules import RULES
from orchestrator.relay.watching.alerting import NAMES

ROOT = Path(__file__).parents[3]
PROOFS = ("tests/acceptance/shared/test_alerts.py", "tests/integration/relay/test_alerts.py")
PAGE = ROOT / "docs/explanation/monitoring.md"
# What there is one of for each of these.
OF_EACH = {
    "error_rate:<component>",
    "response_time:<component>",
    "queue_age:<queue>",
    "no_consumer:<queue>",
    "breaker_open:<name>",
}
WHOLE = set(RULES) - {"response_time", "queue_age", "no_consumer", "breaker_open"}
ALL = OF_EACH | WHOLE | NAMES


def test_there_are_twenty_alerts() -> None:
    assert len(ALL) == 20


def test_each_alert_has_a_test_that_raises_it_in_a_real_run_and_clears_it() -> None:
    pattern = re.compile(r"^@raises_and_clears\((.*?)\)", re.MULTILINE | re.DOTALL)
    decorators = [names for proof in PROOFS for names in pattern.findall((ROOT / proof).read_text())]
    proven = {name for names in decorators for name in re.findall(r'"([^"]+)"', names)}

    assert proven == ALL


def test_each_alert_is_explained() -> None:
    row = re.compile(r"^\| `([^`]+)` \| (?:info|warning|critical)", re.MULTILINE)
    rows = row.findall(PAGE.read_text(encoding="utf-8"))

    assert sorted(rows) == sorted(ALL)
