"""Which of Celery's options a handler may give to a task that it enqueues: those that survive as JSON."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from orchestrator.errors import InvalidArguments

_HIGHEST_PRIORITY = 255


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_priority(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _HIGHEST_PRIORITY


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


_SECONDS = (_is_seconds, "seconds, 0 or more")
_ALLOWED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "countdown": _SECONDS,
    "deadline": (lambda value: _is_seconds(value) and value > 0, "seconds, more than 0"),
    "expires": _SECONDS,
    "ignore_result": (_is_flag, "true or false"),
    "priority": (_is_priority, "a whole number from 0 to 255"),
    "queue": (_is_name, "a queue's name"),
    "soft_time_limit": _SECONDS,
    "time_limit": _SECONDS,
}


def check_options(options: Mapping[str, Any]) -> None:
    """Hold the options against what is allowed.

    Raises:
        InvalidArguments: naming the option, what was found and what is allowed.
    """
    for name, value in options.items():
        if name not in _ALLOWED:
            allowed = ", ".join(sorted(_ALLOWED))
            raise InvalidArguments(f"a hook's tasks do not take the option {name!r}; allowed are {allowed}")
        is_allowed, allowed = _ALLOWED[name]
        if not is_allowed(value):
            raise InvalidArguments(f"the option {name!r} must be {allowed}; found {value!r}")
