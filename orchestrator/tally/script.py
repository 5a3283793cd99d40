"""The part that scripts which count have in common."""

from functools import cache
from importlib.resources import files


@cache
def counting() -> str:
    """What stands before such a script: see `minute.lua`."""
    return (files(__package__) / "minute.lua").read_text(encoding="utf-8")
