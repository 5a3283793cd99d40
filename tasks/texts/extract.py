"""Finds the texts that people wrote in GitHub's payloads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from orchestrator.storable import clean, identifier
from tasks.hooks.sources.reading import text_at

MAX_CHARACTERS = 20_000

# Where each event's payload has objects with a text of their own. A comment's event brings along what was
# commented on, which may have been written before we listened.
_PLACES: Mapping[str, tuple[str, ...]] = {
    "issues": ("issue",),
    "issue_comment": ("issue", "comment"),
    "issue_dependencies": ("blocked_issue", "blocking_issue"),
    "sub_issues": ("parent_issue", "sub_issue"),
    "pull_request": ("pull_request",),
    "pull_request_review": ("pull_request", "review"),
    "pull_request_review_comment": ("pull_request", "comment"),
    "pull_request_review_thread": ("pull_request", "thread.comments"),
    "commit_comment": ("comment",),
    "discussion": ("discussion", "answer", "old_answer"),
    "discussion_comment": ("discussion", "comment"),
    "release": ("release",),
    "push": ("commits", "head_commit"),
}
_KINDS = {
    "pull_request": "pull_request",
    "discussion": "discussion",
    "release": "release",
    "commits": "commit",
    "head_commit": "commit",
    "issue": "issue",
    "blocked_issue": "issue",
    "blocking_issue": "issue",
    "parent_issue": "issue",
    "sub_issue": "issue",
}
_TITLES = {"issue": "title", "pull_request": "title", "discussion": "title", "release": "name"}

EVENTS = tuple(_PLACES)


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the thing it belongs to: `subject` is the thing's URL, so a later version has it too.

    `kind` is issue, pull_request, comment, discussion, release or commit.
    """

    subject: str
    kind: str
    content: str

    @property
    def content_sha256(self) -> bytes:
        """What tells the versions of a subject apart."""
        return sha256(self.content.encode()).digest()


def extract(event: str, payload: object) -> tuple[Text, ...]:
    """Every text of a payload, each once: its title, a blank line and its body, at most 20,000 characters.

    What is not of the expected type counts as absent. NUL and lone surrogates are replaced by U+FFFD.
    """
    found = (
        _text(_kind(place, thing), thing)
        for place in _PLACES.get(event, ())
        for thing in _things_at(payload, place)
    )
    return tuple(dict.fromkeys(text for text in found if text))


def _things_at(payload: object, place: str) -> Iterator[dict[str, Any]]:
    value = payload
    for key in place.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    for thing in value if isinstance(value, list) else [value]:
        if isinstance(thing, dict):
            yield thing


def _kind(place: str, thing: Mapping[str, Any]) -> str:
    kind = _KINDS.get(place, "comment")
    # To GitHub a pull request is an issue as well; this field tells them apart.
    return "pull_request" if kind == "issue" and isinstance(thing.get("pull_request"), dict) else kind


def _text(kind: str, thing: Mapping[str, Any]) -> Text | None:
    title = _written(thing, _TITLES.get(kind))
    body = _written(thing, "message" if kind == "commit" else "body")
    content = clean("\n\n".join(part for part in (title, body) if part))[:MAX_CHARACTERS]
    return Text(_subject(kind, thing, content), kind, content) if content else None


def _written(thing: Mapping[str, Any], field: str | None) -> str:
    value = thing.get(field) if field else None
    return value.strip() if isinstance(value, str) else ""


def _subject(kind: str, thing: Mapping[str, Any], content: str) -> str:
    address = text_at(thing, "html_url", "url", "node_id")
    # A thing that says nothing of itself is its content: the same one twice is still one.
    named = text_at(thing, "id") or sha256(content.encode()).hexdigest()
    return identifier(address or f"{kind}:{named}")
