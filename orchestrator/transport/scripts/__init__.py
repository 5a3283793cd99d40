"""The Lua scripts, one documented file each; everything that changes a message's place is in one of them."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from orchestrator.tally import script

_COUNTING = frozenset({"exchange"})


@dataclass(frozen=True)
class Script:
    """A script's text, and the SHA-1 by which Redis knows it."""

    text: str
    sha: str


@cache
def load(name: str) -> Script:
    """The script `<name>.lua` of this folder; what counts has the counting before it."""
    text = (files(__name__) / f"{name}.lua").read_text(encoding="utf-8")
    if name in _COUNTING:
        text = f"{script.counting()}\n{text}"
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
