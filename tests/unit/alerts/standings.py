"""How things stand in a test: alerts and silences that were read at a moment of its choice."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from orchestrator.alerts import record
from orchestrator.alerts.changing import Change
from orchestrator.alerts.record import Raised, Silence
from orchestrator.alerts.standing import Standing

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def standing(
    raised: Sequence[Raised] = (), silences: Sequence[Silence] = (), seconds: float = 0.0
) -> Standing:
    """So many seconds after noon."""
    return Standing(
        NOON + timedelta(seconds=seconds),
        {each.name: record.text(each) for each in raised},
        {each.pattern: record.text(each) for each in silences},
    )


def after(before: Standing, changes: Sequence[Change], seconds: float) -> Standing:
    """How things stand so many seconds after noon, where these changes were made."""
    raised, silences = dict(before.stored), dict(before.stored_silences)
    for change in changes:
        of = silences if isinstance(change.after or change.before, Silence) else raised
        of.pop(change.name, None)
        if change.after:
            of[change.name] = record.text(change.after)
    return Standing(NOON + timedelta(seconds=seconds), raised, silences)
