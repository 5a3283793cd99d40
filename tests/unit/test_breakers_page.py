"""The page on circuit breakers: it says of each field of a policy what the policy itself says."""

import re

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
