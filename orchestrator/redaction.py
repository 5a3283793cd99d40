"""What is shown of a secret: nothing. Stored bytes are never changed, only what a person sees."""

import re

MASK = "****"
_SECRET_NAME = re.compile(
    r"(password|passwd|secret|token|api[_-]?key|authorization|credential)", re.IGNORECASE
)
_URL_PASSWORD = re.compile(
    r"(?P<before>[a-z][a-z0-9+.-]*://[^:/?#\s]*:)[^@/?#\s]+(?P<after>@)", re.IGNORECASE
)
_URL_QUERY_SECRET = re.compile(r"(?P<before>[?&](?:password|token|api_?key)=)[^&#\s]+", re.IGNORECASE)
_JSON_SECRET = re.compile(
    r'(?P<before>"[^"]*(?:key|token|secret|password)[^"]*"\s*:\s*")[^"]*', re.IGNORECASE
)


def text(shown: str) -> str:
    """The text with passwords in URLs and values of secret JSON fields masked."""
    shown = _URL_PASSWORD.sub(rf"\g<before>{MASK}\g<after>", shown)
    shown = _URL_QUERY_SECRET.sub(rf"\g<before>{MASK}", shown)
    return _JSON_SECRET.sub(rf"\g<before>{MASK}", shown)


def setting(name: str, value: str) -> str:
    """A setting's value as it may be shown: wholly masked where its name says that it is a secret."""
    return MASK if value and _SECRET_NAME.search(name) else text(value)
