"""Which policy a breaker has that its code gives none."""

from __future__ import annotations

from fnmatch import fnmatchcase

from orchestrator import settings
from orchestrator.breaker.builtin import builtin
from orchestrator.policy import Policy, over


def configured(name: str) -> Policy:
    """That of the settings, by this name or the first pattern that fits; in the rest ours, or `Policy()`."""
    ours = builtin(name)
    base = ours.policy if ours else Policy()
    given = _given(name)
    return over(base, given) if given else base


def _given(name: str) -> Policy | None:
    policies = settings.current().breakers
    if name in policies:
        return policies[name]
    return next((policy for pattern, policy in policies.items() if fnmatchcase(name, pattern)), None)
