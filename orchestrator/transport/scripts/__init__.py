"""The Lua scripts, one documented file each; everything that changes a message's place is in one of them."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Script:
    """A script's text, and the SHA-1 by which Redis knows it."""

    text: str
    sha: str


@cache
def load(name: str) -> Script:
    """The script `<name>.lua` of this folder."""
    text = (files(__name__) / f"{name}.lua").read_text(encoding="utf-8")
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
