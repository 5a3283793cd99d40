"""What is told of calls that have ended: how many went well, were slow, or failed, and of which epoch."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.redaction import printable

LONGEST_ERROR = 200


@dataclass(frozen=True, slots=True)
class Report:
    """Calls of one epoch; within it the successes came before the failures.

    All counts 0 and a `token`: a probe has ended, and says nothing of the dependency.
    """

    epoch: int
    token: str = ""
    """The lease of the probe that ended; a probe is reported alone."""
    ok: int = 0
    """Went well while failures in a row were known of: they end the row."""
    slow: int = 0
    """How many, of those that went well and those that failed together, were slow."""
    failed: int = 0
    error: str = ""
    """The last failure, without secrets; at most 200 characters."""
    retry_after_seconds: float = 0.0
    """For how long the dependency asked to be left alone; 0: it did not say."""
    earlier: int = 0
    """Went well before failures in a row were known of. They count in the window alone: told of late, they
    would end a row that others have begun since."""


def told(error: BaseException) -> str:
    """The error as a report tells it: its class and text, without secrets, at most 200 characters."""
    name = type(error).__name__
    try:
        text = f"{name}: {error}"
    except Exception:
        text = name
    # Secrets are looked for in more than is shown: one that is cut short is not known any more.
    return printable(text[: 10 * LONGEST_ERROR])[:LONGEST_ERROR]
