"""Reads a task's calls from JSON: `[…]`, `{name: …}` or `{"args": […], "kwargs": {…}}`; knows no task."""

import json
from dataclasses import dataclass
from typing import Any

from orchestrator.lines import Line

MAX_LINE_BYTES = 16 * 1024 * 1024
_SHOWN_CHARS = 80


class Refused(ValueError):
    """What was given is not a call."""


@dataclass(frozen=True)
class Call:
    """A task's arguments."""

    args: list[Any]
    kwargs: dict[str, Any]


def from_options(args: str, kwargs: str) -> Call:
    """The call that two options spell; Refused when they are none."""
    return _call({"args": _parse(args), "kwargs": _parse(kwargs)})


def from_line(line: Line) -> Call:
    """The call on a line of a file; Refused when it is none."""
    if line.text is None:
        raise Refused(f"the line has {line.size:,} bytes, {MAX_LINE_BYTES:,} are allowed")
    try:
        # Some editors put a byte order mark at the front of a file.
        text = line.text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"not UTF-8: {error.reason} at byte {error.start + 1}") from None
    value = _parse(text)
    if isinstance(value, list):
        return Call(value, {})
    if not isinstance(value, dict):
        raise Refused(f"must be a JSON array or object, not {text.strip()[:_SHOWN_CHARS]}")
    # An object of keyword arguments, unless it spells both kinds.
    return _call(value) if value and value.keys() <= {"args", "kwargs"} else Call([], value)


def _parse(text: str) -> Any:
    try:
        value = json.loads(text)
        # NaN and infinite numbers are Python's additions to JSON, and 1e999 is read as one.
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise Refused(f"not JSON ({error}): {text.strip()[:_SHOWN_CHARS]}") from None
    return value


def _call(fields: Any) -> Call:
    args, kwargs = fields.get("args", []), fields.get("kwargs", {})
    if not isinstance(args, list):
        raise Refused(f"args must be a JSON array, not {json.dumps(args)[:_SHOWN_CHARS]}")
    if not isinstance(kwargs, dict):
        raise Refused(f"kwargs must be a JSON object, not {json.dumps(kwargs)[:_SHOWN_CHARS]}")
    return Call(args, kwargs)
