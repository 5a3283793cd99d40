"""Times of `omninode metrics` are whole minutes: seconds that are given are cut, and it is said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from orchestrator.cli.deadletters.filtering import MOMENT


class _Minute(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time; a wrong use where it is none."""
        at = MOMENT.convert(value, param, ctx)
        if isinstance(value, str) and _has_seconds(value.strip(), at):
            option = param.opts[0] if param else "the time"
            click.echo(
                f"omninode: {option} is taken as {at:%Y-%m-%dT%H:%M%z}: counts are kept by the minute",
                err=True,
            )
        return at


def _has_seconds(given: str, at: datetime) -> bool:
    if given.endswith("s"):
        return int(given[:-1]) % 60 != 0
    # An age in minutes is counted from now, and nobody has given the seconds of that.
    return not given.endswith(("m", "h", "d", "w")) and bool(at.second or at.microsecond)


MINUTE = _Minute()
