"""One breaker as Redis tells of it: where its circuit is, since when, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Circuit = Literal["closed", "open", "half_open"]
# What was set by hand: nothing; no call and no probe; every call, uncounted; every call, counted ("shadow").
Mode = Literal["auto", "isolated", "disabled", "shadow"]
Action = Literal["open", "close", "isolate", "disable", "shadow", "reset"]


@dataclass(frozen=True, slots=True)
class State:
    """The whole state, as it is published with every transition; lengths of time are from its reading on.

    (`born`, `version`) orders what is heard of a breaker: `born` is when its key was made, in ms of Redis's
    clock, and `version` grows with every change. A result counts only in the `epoch` in which its call began.
    """

    name: str
    circuit: Circuit = "closed"
    born: int = 0
    version: int = 0
    epoch: int = 0
    left_seconds: float = 0.0
    """Open: until a probe is allowed. Half-open: until a probe's lease ends, 0 where a probe is free."""
    ramp_left_seconds: float = 0.0
    """Closed: how much of the ramp is left."""
    has_failures: bool = False
    """Closed: failures in a row are pending, so that a success has to be reported."""
    mode: Mode = "auto"
    mode_left_seconds: float | None = None
    """How long the mode still holds; None: until somebody changes it."""
    policy: str = ""
    """The fingerprint of the policy that the fleet goes by."""
    why: str = field(default="", compare=False)
    """Why the circuit changed last."""
    opened_by: str = field(default="", compare=False)
    """Open: the process (`origin`) that opened it; empty where it was open before, or was given back."""

    @property
    def is_clean(self) -> bool:
        """Whether a call needs nothing but to be made: the breaker is closed, and nothing is pending."""
        return (
            self.circuit == "closed"
            and self.mode == "auto"
            and not self.has_failures
            and self.ramp_left_seconds <= 0
        )

    @property
    def holds_calls_back(self) -> bool:
        """Whether some calls are turned away now."""
        if self.mode in {"disabled", "shadow"}:
            return False
        return self.mode == "isolated" or self.circuit != "closed" or self.ramp_left_seconds > 0

    @property
    def is_out(self) -> bool:
        """Whether no call is made but those that find out if the dependency is back."""
        return self.mode == "isolated" or (self.mode == "auto" and self.circuit != "closed")
