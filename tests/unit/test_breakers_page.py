"""The page on circuit breakers: it says of a policy's fields what those say themselves, and names JSON's."""

import re
from dataclasses import fields

from orchestrator.breaker import plain
from orchestrator.breaker.details import Details
from orchestrator.breaker.state import State
from orchestrator.policy import Policy
from tests.pages import ROOT


def test_the_table_of_the_policy_is_that_of_its_fields() -> None:
    page = (ROOT / "docs/explanation/circuit-breakers.md").read_text(encoding="utf-8")
    section = page.partition("\n## Policy\n")[2].partition("\n## ")[0]

    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| (.+) \|$", section, re.MULTILINE)

    assert rows == [
        (name, str(field.default), " ".join(str(field.description).split()))
        for name, field in Policy.model_fields.items()
    ]


def test_the_table_of_json_has_every_field() -> None:
    page = (ROOT / "docs/explanation/circuit-breakers.md").read_text(encoding="utf-8")
    section = page.partition("\n### In JSON\n")[2].partition("\n## ")[0]

    told = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)))

    of_a_state, of_it_all = set(plain.state(State("a"))), {each.name for each in fields(Details)} - {"state"}
    assert set(told) == of_a_state | of_it_all | {"calls", "failure_rate", "waiting"}
