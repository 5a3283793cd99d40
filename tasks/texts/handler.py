"""Keeps the texts of hooks: each version of a text once, in the hook's own transaction."""

from tasks.hooks import Hook, HookEvent, on
from tasks.texts.extract import EVENTS, Text, extract
from tasks.texts.relate import relate_text

_INSERT = """
    INSERT INTO texts (subject, kind, content, content_sha256, delivery_id)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (subject, content_sha256) DO NOTHING
    RETURNING id
"""


@on(*(f"github.{event}{action}" for event in EVENTS for action in ("", ".*")))
def keep_texts(event: HookEvent, hook: Hook) -> None:
    """Store what is new and enqueue its comparison, which happens once the hook is committed."""
    # Two hooks that bring the same texts in another order would wait for each other for ever.
    for text in sorted(extract(event.event, event.payload), key=_key):
        row = hook.connection.execute(
            _INSERT, (text.subject, text.kind, text.content, text.content_sha256, event.id)
        ).fetchone()
        if row:
            hook.enqueue(relate_text, text_id=row[0])


def _key(text: Text) -> tuple[str, bytes]:
    return (text.subject, text.content_sha256)
