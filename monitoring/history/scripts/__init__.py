"""The Lua scripts that move windows in Redis."""

from functools import cache
from importlib.resources import files


@cache
def load(name: str) -> str:
    """The script `<name>.lua` of this folder."""
    return (files(__name__) / f"{name}.lua").read_text(encoding="utf-8")
