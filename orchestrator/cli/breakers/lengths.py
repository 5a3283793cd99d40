"""Lengths of time as one types and reads them: 90s, 10m, 1h30m."""

from __future__ import annotations

import re
from typing import Any

import click

_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_LENGTH = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6}(?:\.\d{1,3})?)s)?", re.ASCII)
_TWO_UNITS = 2


class _Length(click.ParamType[float]):
    """A length of time such as 10m, as seconds; a number alone is seconds."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds; a wrong use where it is no length, or none at all."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        match = _LENGTH.fullmatch(f"{text}s" if text[-1:].isdigit() else text)
        numbers = match.groups() if match else ()
        seconds = sum(float(n) * size for n, size in zip(numbers, _UNITS.values(), strict=False) if n)
        if not seconds:
            self.fail(f"{value!r} is no length of time such as 90s, 10m, 1h30m", param, ctx)
        return seconds


LENGTH = _Length()


def spelled(seconds: float) -> str:
    """The length in its two largest units, as in 1h30m; below ten seconds to the tenth, as in 2.5s."""
    if 0 < seconds < 10:  # noqa: PLR2004 (as the docstring says)
        return f"{max(seconds, 0.1):.1f}".removesuffix(".0") + "s"
    left, parts = round(seconds), []
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
        elif parts:
            break
    return "".join(parts[:_TWO_UNITS]) or "0s"
