"""Which policy a breaker has that its code gives none."""

from __future__ import annotations

from fnmatch import fnmatchcase

from orchestrator import settings
from orchestrator.breaker.builtin import builtin
from orchestrator.policy import Policy


def configured(name: str) -> Policy:
    """That of the settings, by this name or the first pattern that fits; else our own, else `Policy()`."""
    policies = settings.current().breakers
    if name in policies:
        return policies[name]
    fitting = next((policy for pattern, policy in policies.items() if fnmatchcase(name, pattern)), None)
    if fitting is not None:
        return fitting
    ours = builtin(name)
    return ours.policy if ours else Policy()
