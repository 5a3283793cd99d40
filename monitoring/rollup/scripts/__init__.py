"""The Lua scripts of roll-ups, with the counting that all scripts which count share before them."""

from functools import cache
from importlib.resources import files

from orchestrator.tally import script


@cache
def add() -> str:
    """Adds what a process has recorded: see `add.lua`."""
    own = (files(__package__) / "add.lua").read_text(encoding="utf-8")
    return f"{script.counting()}\n{own}"
