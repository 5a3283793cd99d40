"""Which checks there are: those that modules declare, and those that follow from the settings."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import TypeVar

from monitoring.health.verdict import Degraded
from orchestrator.errors import OmniNodeError

Probe = Callable[[], "str | Degraded | None"]
Source = Callable[[], "Iterable[Check]"]
P = TypeVar("P", bound=Probe)
S = TypeVar("S", bound=Source)

TIMEOUT_SECONDS = 5.0


class InvalidCheck(OmniNodeError, ValueError):
    """A health check was declared wrongly: the module that declares it is not imported."""


@dataclass(frozen=True)
class Check:
    """A named probe. `every`: beat runs it at most that often, in seconds; None: at every tick.

    `guarded`: beat makes it through a breaker; see `monitoring.health.guarding`.
    """

    name: str
    probe: Probe
    every: float | None = None
    critical: bool = False
    timeout_seconds: float = TIMEOUT_SECONDS
    guarded: bool = True

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InvalidCheck("a health check needs a name")
        if (self.every is not None and not self.every > 0) or not self.timeout_seconds > 0:
            raise InvalidCheck(f"health check {self.name!r}: `every` and `timeout_seconds` must be above 0")
        if iscoroutinefunction(self.probe):
            raise InvalidCheck(f"health check {self.name!r} must be a plain function, not `async def`")


_checks: dict[str, Check] = {}
_sources: dict[str, Source] = {}


def health_check(
    name: str,
    every: float | None = None,
    *,
    critical: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
    guarded: bool = True,
) -> Callable[[P], P]:
    """Declare the decorated function a health check.

    It returns None or a sentence (healthy), returns `Degraded("what to do")`, or raises (unhealthy; the
    exception's text is the sentence). It runs in a thread and is given up after `timeout_seconds`. With
    `guarded=False` beat makes it also while it keeps failing: for what takes no time, and bothers nobody.

    Raises:
        InvalidCheck: another function has this name already, or an argument is not allowed.
    """

    def declare(probe: P) -> P:
        known = _checks.get(name)
        # A module that is reloaded declares its own checks once more.
        if known and _origin(known.probe) != _origin(probe):
            raise InvalidCheck(
                f"two health checks are called {name!r}, {_origin(known.probe)} and {_origin(probe)}: "
                "rename one"
            )
        _checks[name] = Check(name, probe, every, critical, timeout_seconds, guarded)
        return probe

    return declare


def check_source(source: S) -> S:
    """Declare the decorated function to name checks that are only known when the settings are."""
    _sources[_origin(source)] = source
    return source


def registered() -> list[Check]:
    """Every check, the critical ones first, by name: the same in every process, whatever it has imported."""
    found = {check.name: check for source in _sources.values() for check in source()}
    return sorted({**_checks, **found}.values(), key=lambda check: (not check.critical, check.name))


def _origin(function: Callable[..., object]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
