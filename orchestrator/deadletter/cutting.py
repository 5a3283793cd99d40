"""Texts of bounded length, of which head and tail are kept."""

import re

from orchestrator.storable import escaped

_CUT = re.compile(r"\n… (\d+) characters left out …\n")
# Room for that line.
_LINE = 50


def cut(text: str, most: int) -> str:
    """The text, or its head and tail with a line in between that says how much is missing.

    It has `most` characters at the most, which is more than 50; what was cut before is counted in. Lone
    surrogates become escapes, as neither Redis nor Kafka takes them, and so does NUL, which PostgreSQL does
    not take.
    """
    # Most texts are short and plain, and this is asked of some twenty for each letter.
    if len(text) <= most and text.isascii() and "\0" not in text:
        return text
    text = escaped(text)
    if len(text) <= most:
        return text
    half = (most - _LINE) // 2
    left_out = len(text) - 2 * half
    if before := _CUT.search(text, half, len(text) - half):
        left_out += int(before[1]) - len(before[0])
    return f"{text[:half]}\n… {left_out} characters left out …\n{text[-half:]}"
