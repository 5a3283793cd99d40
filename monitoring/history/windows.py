"""The windows of minutes in Redis: made, read, and put away once PostgreSQL has them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from redis import Redis

from monitoring.history import scripts
from orchestrator import keys

# How long what was folded is still read as recent minutes, in seconds.
FOLDED_SECONDS = 1200
# From how many fields on the totals are cleared of names that no kept minute has.
TOTALS_CLEARED_FROM = 8000
_AT_ONCE = 10


class Window(NamedTuple):
    """A minute of Unix time, and the id that tells it from another window of the same minute."""

    minute: int
    id: str

    @property
    def name(self) -> str:
        """As it is listed."""
        return f"{self.minute}:{self.id}"


class Windows:
    """Those of one Redis, which decodes."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def seal(self, *, is_over: bool = True) -> int:
        """Make windows of the minutes that are over, or else of all; returns the present minute."""
        listed = [self._key("minutes"), self._key("windows")]
        return int(self._run("seal", listed, [self._key(""), int(not is_over)]))

    def begin(self) -> str:
        """From now on only who has this token finishes."""
        token = secrets.token_hex(8)
        self._run("begin", [self._key("folding")], [token])
        return token

    def waiting(self) -> list[Window]:
        """Those that are not known to be in PostgreSQL, the oldest first."""
        listed: Any = self._client.zrange(self._key("windows"), 0, -1)
        return [window for window in map(_window, listed) if window]

    def read(self, windows: Iterable[Window]) -> Iterator[tuple[Window, dict[str, str]]]:
        """Their fields and values; of one that is gone there are none."""
        wanted = list(windows)
        for first in range(0, len(wanted), _AT_ONCE):
            some = wanted[first : first + _AT_ONCE]
            with self._client.pipeline(transaction=False) as pipeline:
                for window in some:
                    pipeline.hgetall(self._key(f"window:{window.name}"))
                yield from zip(some, pipeline.execute(), strict=True)

    def unfolded(self) -> list[tuple[Window, dict[str, str]]]:
        """What is not yet in PostgreSQL, or only just: waiting windows, and the minutes that are open."""
        minutes: Any = self._client.zrange(self._key("minutes"), 0, -1)
        with self._client.pipeline(transaction=False) as pipeline:
            for minute in minutes:
                pipeline.hgetall(self._key(f"minute:{minute}"))
            open_ones = [
                (Window(int(minute), stored["id"]), stored)
                for minute, stored in zip(minutes, pipeline.execute(), strict=True)
                if "id" in stored
            ]
        # A minute that was meanwhile made a window has the same id, and is counted once: as it was later.
        found = dict(open_ones) | {window: stored for window, stored in self.read(self.waiting()) if stored}
        return list(found.items())

    def finish(self, token: str, windows: Iterable[Window], kept: Mapping[str, str]) -> tuple[bool, int]:
        """Put them away and replace what is kept, in one step.

        Returns whether that was done (not where somebody else has begun), and how many fields the totals were
        cleared of.
        """
        names = [window.name for window in windows]
        pairs = [word for pair in kept.items() for word in pair]
        about = [self._key(""), token, FOLDED_SECONDS, TOTALS_CLEARED_FROM, len(names)]
        listed = [self._key(name) for name in ("folding", "windows", "folded", "kept", "totals", "minutes")]
        is_done, gone = self._run("finish", listed, [*about, *names, *pairs])
        return bool(is_done), int(gone)

    def _run(self, script: str, names: list[str], arguments: list[Any]) -> Any:
        return self._client.eval(scripts.load(script), len(names), *names, *arguments)

    def _key(self, name: str) -> str:
        return keys.metrics(name, self._prefix)


def _window(listed: str) -> Window | None:
    minute, _, identity = listed.partition(":")
    return Window(int(minute), identity) if minute.isdecimal() and identity else None
