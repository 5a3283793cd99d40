"""Which handlers there are, and which of them a hook's name calls."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from tasks.hooks.event import HookEvent
from tasks.hooks.hook import Hook
from tasks.hooks.sources.github_events import EVENTS

Handler = Callable[[HookEvent, Hook], None]
_Registered = TypeVar("_Registered", bound=Handler)
_USE = 'on() takes patterns over "source.event.action", such as @on("github.issues.*")'


@dataclass(frozen=True, slots=True)
class Registration:
    """A handler, its name for people, and the patterns it was registered for."""

    name: str
    handler: Handler
    patterns: tuple[str, ...]
    matches: re.Pattern[str]
    literals: frozenset[str]
    """What the names begin with that it may want: its patterns, each up to its first wildcard."""


_WILDCARD = re.compile(r"[*?\[]")

# In the order of registration, which is the order handlers run in. The process has one.
_registrations: dict[object, Registration] = {}


def on(*patterns: str) -> Callable[[_Registered], _Registered]:
    """Register a handler for hooks whose name matches one of the patterns (`*` stands for any text).

    Names are "source.event.action", or "source.event" where there is no action. A handler runs once for a
    hook, however many patterns match, within the hook's transaction: `def handler(event, hook): ...`.

    When it raises, all of the hook is undone and tried again later; a PermanentError is final at once.

    Raises:
        TypeError: a pattern is no text, or the handler cannot be called.
        ValueError: there is no pattern, or one that names no source: it has neither a dot nor a `*`, or it
            begins with the name of one of GitHub's events ("issues.opened").
    """
    _check_patterns(patterns)

    def register(handler: _Registered) -> _Registered:
        if not callable(handler) or iscoroutinefunction(handler):
            raise TypeError(f"{_USE} and decorates a plain function; found {handler!r}")
        _add(handler, patterns)
        return handler

    return register


def handlers_for(name: str) -> list[Registration]:
    """The handlers that a hook of this name calls, in the order of their registration."""
    return [registration for registration in _registrations.values() if registration.matches.match(name)]


def may_serve(source: str) -> bool:
    """Whether some handler may want a hook of that source; False is certain, True is not."""
    begins = f"{source}."
    return any(
        begins.startswith(literal) or literal.startswith(begins)
        for registration in _registrations.values()
        for literal in registration.literals
    )


def _check_patterns(patterns: tuple[Any, ...]) -> None:
    if not patterns:
        raise ValueError(f"{_USE}; found none")
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(f"{_USE}; found {pattern!r}")
        if not pattern.strip() or not set(pattern) & set(".*"):
            raise ValueError(
                f'{_USE}; {pattern!r} matches no hook: a name begins with its source, as in "github.push"'
            )
        if pattern.partition(".")[0] in EVENTS:
            raise ValueError(
                f"{_USE}; {pattern!r} begins with an event, not with a source: "
                f'did you mean "github.{pattern}"?'
            )


def _add(handler: Handler, patterns: tuple[str, ...]) -> None:
    key = _identity(handler)
    known = _registrations.get(key)
    every = tuple(dict.fromkeys((*(known.patterns if known else ()), *patterns)))
    # A reloaded module brings a new function for the old place.
    _registrations[key] = Registration(
        _name(handler),
        handler,
        every,
        _compile(every),
        frozenset(_WILDCARD.split(pattern, maxsplit=1)[0] for pattern in every),
    )


def _identity(handler: Handler) -> object:
    code = getattr(handler, "__code__", None)
    name = _name(handler)
    if code is None or "<" in name:
        return handler
    # With its line, because two functions of a module may share a name (`def _(event, hook)`).
    return (name, code.co_firstlineno)


def _name(handler: Handler) -> str:
    named = handler if hasattr(handler, "__qualname__") else type(handler)
    return f"{named.__module__}.{named.__qualname__}"


def _compile(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns))
