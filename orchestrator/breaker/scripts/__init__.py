"""The breaker's Lua scripts, one documented file each, and before each what all of them share."""

from functools import cache
from importlib.resources import files

_SHARED = ("state", "moves")


@cache
def load(name: str) -> str:
    """The text of the script `<name>.lua` of this folder, with what all of them share before it."""
    folder = files(__name__)
    return "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in (*_SHARED, name))
