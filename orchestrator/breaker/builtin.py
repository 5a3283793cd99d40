"""The breakers that OmniNode itself calls through: their policies, and what counts as a failure of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from billiard.exceptions import SoftTimeLimitExceeded

from orchestrator.errors import KafkaUnavailable, ModelUnavailable, PostgresUnavailable
from orchestrator.policy import Policy
from orchestrator.storable import identifier

POSTGRESQL = "postgresql"
KAFKA = "kafka"

_DATABASE = frozenset({"psycopg", "psycopg_pool"})


@dataclass(frozen=True)
class Builtin:
    """What a breaker is made with where neither its caller nor OMNINODE_BREAKERS says otherwise."""

    policy: Policy
    expected: tuple[type[BaseException], ...] = (Exception,)
    excluded: tuple[Callable[[BaseException], bool], ...] = ()


def model(name: str) -> str:
    """The breaker of one server of OMNINODE_MODELS."""
    return identifier(f"model:{name}")


def kafka(servers: str) -> str:
    """The breaker of a cluster that is not the fleet's own."""
    return identifier(f"{KAFKA}:{servers}")


def health(check: str) -> str:
    """The breaker of one health check, as beat has it made."""
    return identifier(f"health:{check}")


def hooks(source: str) -> str:
    """The breaker of what the handlers of one source's hooks call."""
    return identifier(f"hooks:{source}")


def builtin(name: str) -> Builtin | None:
    """What a breaker of that name begins with; None for all but our own."""
    return next((found for pattern, found in _BUILTIN.items() if fnmatchcase(name, pattern)), None)


def is_of_the_database(error: BaseException) -> bool:
    """Whether PostgreSQL, its pool or its client has raised it: psycopg need not be imported to tell."""
    return any(kind.__module__.partition(".")[0] in _DATABASE for kind in type(error).__mro__)


_KAFKA = Builtin(
    Policy(
        failure_threshold=3, failure_rate=None, open_seconds=15.0, open_cap_seconds=60.0, ramp_seconds=0.0
    ),
    expected=(KafkaUnavailable,),
)
_BUILTIN = {
    # Each failure is a wait of 30 s in vain, longer than a usual restart: few of them say enough. Workers
    # have few connections each, so that nothing rushes in when it is back.
    POSTGRESQL: Builtin(
        Policy(
            failure_threshold=3,
            failure_rate=None,
            open_seconds=15.0,
            open_cap_seconds=60.0,
            probe_lease_seconds=60.0,
            ramp_seconds=0.0,
            ramp_per_second=1000.0,
        ),
        expected=(PostgresUnavailable,),
    ),
    # The relay has its own order and patience; it tells of batches, not of letters.
    KAFKA: _KAFKA,
    kafka("*"): _KAFKA,
    # A model may think for a minute: so may a probe.
    model("*"): Builtin(
        Policy(open_seconds=15.0, open_cap_seconds=120.0, probe_lease_seconds=150.0),
        expected=(ModelUnavailable, SoftTimeLimitExceeded),
    ),
    # Beat asks twice a minute: a check that heals is known to be healthy within two minutes.
    health("*"): Builtin(
        Policy(
            failure_threshold=3,
            failure_rate=None,
            open_seconds=15.0,
            open_cap_seconds=60.0,
            open_jitter=0.0,
            ramp_seconds=0.0,
        )
    ),
    # One hook that no attempt heals must not hold up its source for long.
    hooks("*"): Builtin(Policy(open_seconds=15.0, open_cap_seconds=60.0), excluded=(is_of_the_database,)),
}
