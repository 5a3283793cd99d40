"""What is shown of a secret: nothing. Stored bytes are never changed, only what a person sees.

Every pattern takes time in proportion to the text: what is shown comes from outside and may be long.
"""

import re
from typing import Any

MASK = "****"
_NAMES = r"(?:pass(?:word|wd|phrase)|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)"
_SECRET_NAME = re.compile(rf"{_NAMES}|authorization|cookie", re.IGNORECASE)
# Each of the patterns below, but that of URLs, needs one of these.
_WORDS = (
    *("passw", "passphrase", "pwd", "secret", "token", "api", "access", "private", "credential"),
    *(
        "authorization",
        "bearer",
        "cookie",
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "sk-",
        "xox",
        "akia",
        "eyj",
    ),
)
# The bounds keep a text without a match from being searched again and again.
_URL = re.compile(
    r"(?<![\w+.-])(?P<scheme>[a-z][a-z0-9+.-]{0,30})://(?P<rest>[^\s\"'<>]{1,2000})", re.IGNORECASE
)
# Also as a part of a name: AWS_SECRET_ACCESS_KEY, client_secret, X-Api-Key, --password. A number of tokens
# is no secret (max_tokens=5).
_ASSIGNED = re.compile(
    rf"(?<![\w-])(?P<name>[\w-]{{0,40}}{_NAMES}(?:[_-]\w{{1,20}}){{0,2}})(?P<sign>=|:[ ]?|(?<=-password)[ ])"
    r"(?:'[^']*'|\"[^\"]*\"|[^\s&;,'\"]+)",
    re.IGNORECASE,
)
_IN_OBJECT = re.compile(
    r"(?P<before>(?P<q>[\"'])(?P<name>[^\"'\\]{1,64})(?P=q)\s{0,8}:\s{0,8}(?P<v>[\"']))"
    r"(?P<value>(?:\\.|(?!(?P=v))[^\\])*)",
    re.DOTALL,
)
_BEARER = re.compile(r"\b(?P<kind>bearer|authorization: basic)\s{1,8}[\w.~+/=-]+", re.IGNORECASE)
_COOKIE = re.compile(r"\b(?P<kind>(?:set-)?cookie): [^\n\"']{1,4000}", re.IGNORECASE)
# Those of GitHub, OpenAI, Slack and Amazon, and JSON web tokens.
_KNOWN = re.compile(
    r"\b(?:gh[pos]_[A-Za-z0-9]{16,255}|github_pat_\w{16,255}|sk-[\w-]{16,255}|xox[abpr]-[\w-]{10,255}"
    r"|AKIA[0-9A-Z]{16}|eyJ[\w-]{8,2000}\.[\w-]{8,2000}\.[\w-]{5,1000})"
)


def text(shown: str) -> str:
    """The text without passwords in URLs, values of secret names, cookies, and tokens of well-known looks."""
    if "://" in shown:
        shown = _URL.sub(_mask_url, shown)
    # Most texts name no secret, and to look for the words is far cheaper than to try the patterns.
    lower = shown.lower()
    if not any(word in lower for word in _WORDS):
        return shown
    shown = _IN_OBJECT.sub(_mask_in_object, shown)
    # Before names: `Authorization: Bearer …` is two words.
    shown = _BEARER.sub(rf"\g<kind> {MASK}", shown)
    shown = _ASSIGNED.sub(rf"\g<name>\g<sign>{MASK}", shown)
    shown = _COOKIE.sub(rf"\g<kind>: {MASK}", shown)
    return _KNOWN.sub(MASK, shown)


def setting(name: str, value: str) -> str:
    """A setting's value as it may be shown: wholly masked where its name says that it is a secret."""
    return MASK if value and _SECRET_NAME.search(name) else text(value)


def printable(shown: object, keep: str = "") -> str:
    """The text without secrets, and without what a terminal would obey: all but `keep` of that is escaped."""
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text(str(shown)))


def data(value: Any) -> Any:
    """What was read from JSON, without secrets: whatever lies under a secret name, in any depth, is masked.

    Raises:
        RecursionError: it is nested too deeply to be looked through.
    """
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [data(each) for each in value]
    if isinstance(value, dict):
        return {name: MASK if _is_secret(name, each) else data(each) for name, each in value.items()}
    return value


def _is_secret(name: object, value: Any) -> bool:
    # A number of tokens is none.
    return bool(value) and not isinstance(value, int | float) and bool(_SECRET_NAME.search(str(name)))


def _mask_url(match: re.Match[str]) -> str:
    scheme, rest = match["scheme"], match["rest"]
    # A password may hold anything, also what should have been escaped. On the web an @ in a path is common.
    place = re.split(r"[/?#]", rest, maxsplit=1)[0] if scheme.lower() in {"http", "https"} else rest
    account, at, _ = place.rpartition("@")
    if not at:
        return match[0]
    user, colon, _ = account.partition(":")
    if not colon and scheme.lower().startswith("postgres"):
        return match[0]  # elsewhere what stands alone may be a token, here it is a user's name
    return f"{scheme}://{user + colon if colon else ''}{MASK}{rest[len(account) :]}"


def _mask_in_object(match: re.Match[str]) -> str:
    return match["before"] + MASK if _SECRET_NAME.search(match["name"]) else match[0]
