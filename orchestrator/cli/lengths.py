"""Lengths of time as one types them: 90s, 10m, 1h30m."""

from __future__ import annotations

import re
from typing import Any

import click

from orchestrator import times

# With or without a space between them, as lengths are shown; also what is longer than may be.
_LENGTH = re.compile(
    r"(?:(\d{1,12})d ?)?(?:(\d{1,12})h ?)?(?:(\d{1,12})m ?)?(?:(\d{1,12}(?:\.\d{1,3})?)s)?", re.ASCII
)


class _Length(click.ParamType[float]):
    """A length of time such as 10m, as seconds; a number alone is seconds."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds; a wrong use where it is no length, none at all, or of more than ten years."""
        from orchestrator.breaker.byhand import LONGEST_SECONDS

        if isinstance(value, float):
            return value
        text = str(value).strip()
        match = _LENGTH.fullmatch(f"{text}s" if text[-1:].isdigit() else text)
        if not text or not match:
            self.fail(f"{value!r} is no length of time such as 90s, 10m, 1h30m", param, ctx)
        numbers = zip(match.groups(), times.UNITS.values(), strict=True)
        seconds = sum(float(number) * size for number, size in numbers if number)
        if not 0 < seconds <= LONGEST_SECONDS:
            self.fail(f"it must be above 0, and ten years at most, not {value!r}", param, ctx)
        return seconds


LENGTH = _Length()
