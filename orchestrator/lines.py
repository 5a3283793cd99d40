"""Reads lines of any length in a bounded amount of memory, as soon as they are there."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

_CHUNK_BYTES = 1 << 18


class Stream(Protocol):
    """A buffered stream of bytes."""

    def read1(self, size: int, /) -> bytes:
        """At most `size` bytes: those that are there, or else the next ones that come; b"" at the end."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line's number, from 1, its bytes without the line's end, and how many bytes of the input it took.

    `text` is None where the line is longer than allowed: then it was skipped.
    """

    number: int
    text: bytes | None
    size: int


def read_batches(stream: Stream, max_bytes: int, max_lines: int) -> Iterator[list[Line]]:
    """The lines in batches: what can be read without waiting comes together, at most `max_lines`."""
    lines = _Lines(max_bytes)
    while chunk := stream.read1(_CHUNK_BYTES):
        yield from _batched(lines.feed(chunk), max_lines)
    yield from _batched(lines.finish(), max_lines)


def _batched(lines: Iterator[Line], max_lines: int) -> Iterator[list[Line]]:
    while batch := list(islice(lines, max_lines)):
        yield batch


class _Lines:
    """Cuts chunks into lines and keeps what has no end yet, as long as it is not too long."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._number = 0
        self._begun = bytearray()
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._keep(part)
            yield self._end(newline_bytes=1)
        self._keep(rest)

    def finish(self) -> Iterator[Line]:
        if self._size:
            yield self._end(newline_bytes=0)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._max_bytes:
            self._begun += part
        else:
            self._begun.clear()

    def _end(self, newline_bytes: int) -> Line:
        self._number += 1
        text = bytes(self._begun) if self._size <= self._max_bytes else None
        line = Line(self._number, text, self._size + newline_bytes)
        self._begun.clear()
        self._size = 0
        return line
