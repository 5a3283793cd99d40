"""Lines of any length, in a bounded amount of memory."""

import io

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lines import Line, read_batches


class _Pipe:
    """Gives what was written piece by piece, as a pipe does."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def read1(self, size: int, /) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def _read(data: bytes, max_bytes: int = 10) -> list[Line]:
    return [line for batch in read_batches(io.BytesIO(data), max_bytes, 2) for line in batch]


def test_lines_are_numbered_from_one_and_the_last_needs_no_end() -> None:
    assert _read(b"a\n\nb") == [Line(1, b"a", 2), Line(2, b"", 1), Line(3, b"b", 1)]


def test_an_empty_input_has_no_lines() -> None:
    assert _read(b"") == []


def test_a_line_that_is_too_long_is_skipped_and_the_rest_goes_on() -> None:
    data = b"x" * 1_000_000 + b"\nshort\n" + b"y" * 11
    assert _read(data) == [Line(1, None, 1_000_001), Line(2, b"short", 6), Line(3, None, 11)]


def test_a_line_at_the_limit_is_read() -> None:
    assert _read(b"x" * 10 + b"\n") == [Line(1, b"x" * 10, 11)]


def test_batches_hold_at_most_so_many_lines_and_do_not_wait_for_more() -> None:
    pipe = _Pipe([b"1\n2\n3\n4", b"\n5\n"])
    batches = [[line.number for line in batch] for batch in read_batches(pipe, 10, 2)]
    assert batches == [[1, 2], [3], [4, 5]]


@given(st.lists(st.binary(max_size=15), max_size=8), st.data())
def test_it_does_not_matter_where_the_pieces_end(lines: list[bytes], data: st.DataObject) -> None:
    text = b"\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = [line for batch in read_batches(_Pipe(pieces), 10, 3) for line in batch]
    assert found == _read(text)
    assert sum(line.size for line in found) == len(text)
