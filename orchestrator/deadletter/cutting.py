"""Texts of bounded length, of which head and tail are kept."""


def cut(text: str, most: int) -> str:
    """The text, or its head and tail with a line in between that says how much is missing.

    At most `most` characters remain of it. Lone surrogates become escapes, as neither Redis nor Kafka takes
    them, and so does NUL, which PostgreSQL refuses.
    """
    # Most texts are short and plain, and this is asked of some twenty for each letter.
    if len(text) <= most and text.isascii() and "\0" not in text:
        return text
    text = text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
