"""What a circuit breaker is told: when it trips, how long it stays open, and how it closes again."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from orchestrator.errors import InvalidBreaker

# From what Redis's clock can tell apart to ten years: longer is a slip of the pen, and overflows somewhere.
Seconds = Annotated[float, Field(ge=0.001, le=315_360_000, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


_CONDITIONS = ("failure_threshold", "failure_rate", "slow_rate")


class Policy(BaseModel):
    """One breaker's policy: it trips on whichever of its conditions comes true first; None turns one off.

    Counts and rates are those of the whole fleet. The defaults suit a service that answers within seconds.

    Raises:
        InvalidBreaker: naming every value that is not allowed, and what is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    failure_threshold: int | None = Field(5, ge=1, le=1_000_000)
    """How many failures in a row, with no success of anybody in between."""
    failure_rate: Share | None = 0.5
    """Which part of the calls of the window has failed."""
    slow_rate: Share | None = None
    """Which part of the calls of the window took at least `slow_seconds`; a slow failure is both."""
    slow_seconds: Seconds = 10.0
    """From which duration on a call is slow."""
    window_seconds: float = Field(30.0, ge=1, le=3600)
    """Over how long rates are formed; ten buckets of it slide."""
    minimum_calls: int = Field(20, ge=1, le=1_000_000)
    """With fewer calls in the window a rate says nothing."""

    open_seconds: Seconds = 30.0
    """How long it stays open after the first trip; each further trip doubles it."""
    open_cap_seconds: Seconds = 300.0
    """How long it stays open at most. A circuit that has stayed closed for so long begins anew."""
    open_jitter: float = Field(0.1, ge=0, le=1, allow_inf_nan=False)
    """By which part, at most, an open time is prolonged at random, so that breakers do not probe in step."""
    probes: int = Field(1, ge=1, le=1000)
    """How many calls may find out whether it is back; as many must succeed, one that fails opens it anew."""
    probe_lease_seconds: Seconds = 30.0
    """After how long a probe whose process has died is given to another."""
    ramp_seconds: float = Field(10.0, ge=0, le=3600, allow_inf_nan=False)
    """Over how long traffic grows from a tenth to all of it after closing; 0 lets everything in at once."""
    ramp_per_second: float = Field(100.0, gt=0, le=1_000_000, allow_inf_nan=False)
    """How many tasks that waited are let in a second once the ramp has ended; a tenth as it begins."""
    wait_limit_seconds: Seconds = 3600.0
    """How long a task may wait for an open circuit, before it becomes a dead letter (`circuit_open`)."""
    soft_limit_counts: bool = True
    """Whether a task that ran into its soft limit counts as a failure, or as nothing."""

    if not TYPE_CHECKING:  # checkers know the fields that pydantic's own constructor takes

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise InvalidBreaker(_explained(error)) from None

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_switch(cls, value: Any, info: ValidationInfo) -> Any:
        # To pydantic true is 1.
        if isinstance(value, bool) and info.field_name != "soft_limit_counts":
            message = "Must be a number"
            raise ValueError(message)
        return value

    @model_validator(mode="before")
    @classmethod
    def _raise_the_cap(cls, values: Any) -> Any:
        """Where only the open time is given, and is longer than the longest by default, it is the longest."""
        if not isinstance(values, dict) or "open_cap_seconds" in values:
            return values
        asked = values.get("open_seconds")
        longest = cls.model_fields["open_cap_seconds"].default
        is_longer = isinstance(asked, int | float) and longest < asked < float("inf")
        return values | {"open_cap_seconds": asked} if is_longer else values

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        message = _contradiction(self)
        if message:
            raise ValueError(message)
        return self

    @property
    def counts_calls(self) -> bool:
        """Whether successes have to be counted: a rate needs them, failures in a row do not."""
        return _has_rate(self)

    @property
    def fingerprint(self) -> str:
        """The same for the same policy, in every process and release.

        It is of what differs from the defaults, so that a release which only knows more is no new policy.
        """
        return _fingerprint(self)


def _contradiction(policy: Policy) -> str:
    """What is wrong with the values together, or nothing."""
    if policy.failure_threshold is None and not _has_rate(policy):
        return "at least one of failure_threshold, failure_rate and slow_rate must be given"
    if policy.open_cap_seconds < policy.open_seconds:
        return (
            f"open_cap_seconds={policy.open_cap_seconds:g} must not be less than "
            f"open_seconds={policy.open_seconds:g}"
        )
    return ""


def over(base: Policy, given: Policy) -> Policy:
    """The policy that has what is set in `given`, and is like `base` in everything else.

    An open time that is longer than the base's longest is the longest; where no condition is left of the two
    of them, those of `given` hold as they are.
    """
    own = {name: getattr(given, name) for name in given.model_fields_set}
    values = base.model_dump() | own
    values["open_cap_seconds"] = max(values["open_cap_seconds"], values["open_seconds"])
    if all(values[name] is None for name in _CONDITIONS):
        values |= {name: getattr(given, name) for name in _CONDITIONS}
    return Policy(**values)


def _has_rate(policy: Policy) -> bool:
    return policy.failure_rate is not None or policy.slow_rate is not None


@lru_cache(1000)
def _fingerprint(policy: Policy) -> str:
    return hashlib.sha256(policy.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:16]


def _explained(error: ValidationError) -> str:
    return "; ".join(
        _sentence(str(*each["loc"][:1]), each["input"], each["msg"].removeprefix("Value error, "))
        for each in error.errors()
    )


def _sentence(field: str, value: object, message: str) -> str:
    if not field:
        return message
    if field not in Policy.model_fields:
        return f"a policy has no {field}: it has {', '.join(Policy.model_fields)}"
    return f"{field}={value!r:.80}: {message[0].lower()}{message[1:]}"
