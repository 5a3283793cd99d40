"""The relay's Lua scripts, one documented file each."""

from functools import cache
from importlib.resources import files


@cache
def load(name: str) -> str:
    """The text of the script `<name>.lua` of this folder."""
    return (files(__name__) / f"{name}.lua").read_text(encoding="utf-8")
