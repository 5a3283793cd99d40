"""Texts of bounded length, of which head and tail are kept."""


def cut(text: str, most: int) -> str:
    """The text, or its head and tail with a line in between that says how much is missing.

    At most `most` characters remain of it. Lone surrogates become escapes, as neither Redis nor Kafka takes
    them, and so does NUL, which PostgreSQL refuses.
    """
    text = text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
