"""Which texts a payload holds."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.texts.extract import EVENTS, Text, extract

REAL_PAYLOADS = Path(__file__).parents[3] / "examples" / "github-webhooks.jsonl"
ISSUE: dict[str, Any] = {
    "html_url": "https://github.com/o/r/issues/1",
    "title": "Crash",
    "body": "It crashes.",
}
ISSUE_TEXT = Text("https://github.com/o/r/issues/1", "issue", "Crash\n\nIt crashes.")


def test_an_issue_is_its_title_a_blank_line_and_its_body() -> None:
    assert extract("issues", {"action": "opened", "issue": ISSUE}) == (ISSUE_TEXT,)


@pytest.mark.parametrize(
    ("title", "body", "content"),
    [("Crash", None, "Crash"), (None, "It crashes.", "It crashes."), (" Crash \n", "  ", "Crash")],
)
def test_a_title_or_a_body_alone_is_a_text(title: Any, body: Any, content: str) -> None:
    (text,) = extract("issues", {"issue": ISSUE | {"title": title, "body": body}})
    assert text.content == content


def test_nothing_written_is_no_text() -> None:
    assert extract("issues", {"issue": ISSUE | {"title": " ", "body": None}}) == ()


def test_a_comment_brings_what_it_is_about() -> None:
    comment = {"html_url": "https://github.com/o/r/issues/1#issuecomment-5", "body": "Me too"}
    assert extract("issue_comment", {"issue": ISSUE, "comment": comment}) == (
        ISSUE_TEXT,
        Text("https://github.com/o/r/issues/1#issuecomment-5", "comment", "Me too"),
    )


def test_a_pull_request_has_one_subject_as_an_issue_and_as_itself() -> None:
    pull = {"html_url": "https://github.com/o/r/pull/2", "title": "Fix", "body": "Fixed."}
    expected = Text("https://github.com/o/r/pull/2", "pull_request", "Fix\n\nFixed.")
    assert extract("pull_request", {"pull_request": pull}) == (expected,)
    assert extract("issues", {"issue": pull | {"pull_request": {"url": "…"}}}) == (expected,)


@pytest.mark.parametrize(
    ("event", "payload", "kind", "content"),
    [
        ("pull_request_review", {"review": {"id": 1, "body": "Looks good"}}, "comment", "Looks good"),
        ("pull_request_review_comment", {"comment": {"id": 1, "body": "Why?"}}, "comment", "Why?"),
        ("pull_request_review_thread", {"thread": {"comments": [{"id": 1, "body": "Hm"}]}}, "comment", "Hm"),
        ("commit_comment", {"comment": {"id": 1, "body": "Nice"}}, "comment", "Nice"),
        ("discussion", {"discussion": {"id": 1, "title": "T", "body": "B"}}, "discussion", "T\n\nB"),
        ("discussion", {"answer": {"id": 1, "body": "42"}}, "comment", "42"),
        ("discussion_comment", {"comment": {"id": 1, "body": "Hi"}}, "comment", "Hi"),
        (
            "release",
            {"release": {"id": 1, "name": "v1", "body": "News", "tag_name": "1"}},
            "release",
            "v1\n\nNews",
        ),
        ("sub_issues", {"sub_issue": {"id": 1, "title": "Part"}}, "issue", "Part"),
    ],
)
def test_each_event_gives_the_texts_of_its_objects(
    event: str, payload: dict[str, Any], kind: str, content: str
) -> None:
    assert extract(event, payload) == (Text(f"{kind}:1", kind, content),)


def test_a_push_gives_each_commit_once() -> None:
    first = {"id": "a1", "url": "https://github.com/o/r/commit/a1", "message": "First"}
    head = {"id": "b2", "url": "https://github.com/o/r/commit/b2", "message": "Second\n\nWhy."}
    assert extract("push", {"commits": [first, head], "head_commit": head}) == (
        Text("https://github.com/o/r/commit/a1", "commit", "First"),
        Text("https://github.com/o/r/commit/b2", "commit", "Second\n\nWhy."),
    )


def test_other_events_have_no_texts() -> None:
    assert extract("star", {"issue": ISSUE}) == ()


def test_nul_and_lone_surrogates_are_replaced() -> None:
    (text,) = extract("issues", {"issue": ISSUE | {"title": "a\x00b", "body": "\ud83d"}})
    assert text.content == "a\ufffdb\n\n\ufffd"


def test_a_text_is_bounded() -> None:
    (text,) = extract("issues", {"issue": ISSUE | {"body": "x" * 50_000}})
    assert len(text.content) == 20_000


def test_a_thing_without_an_address_is_the_same_subject_each_time() -> None:
    payload = {"comment": {"body": "Nice"}}
    (text,) = extract("commit_comment", payload)
    assert extract("commit_comment", payload) == (text,)
    assert text.subject.startswith("comment:")


def test_a_long_address_fits_the_index_and_stays_distinct() -> None:
    addresses = ["https://github.com/" + "x" * 5000 + end for end in "ab"]
    subjects = {extract("issues", {"issue": ISSUE | {"html_url": url}})[0].subject for url in addresses}
    assert len(subjects) == 2
    assert max(map(len, subjects)) == 200


def test_the_versions_of_a_subject_have_different_digests() -> None:
    texts = [extract("issues", {"issue": ISSUE | {"body": body}})[0] for body in ("one", "two")]
    assert texts[0].subject == texts[1].subject
    assert texts[0].content_sha256 != texts[1].content_sha256


_keys = st.sampled_from(
    [
        "issue",
        "comment",
        "comments",
        "thread",
        "body",
        "title",
        "message",
        "html_url",
        "id",
        "commits",
        "name",
    ]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


@given(event=st.sampled_from(EVENTS), payload=_json)
def test_no_payload_is_too_strange(event: str, payload: Any) -> None:
    for text in extract(event, payload):
        assert text.subject
        assert text.content.strip()
        assert len(text.content_sha256) == 32


def test_real_payloads_give_texts_of_every_kind_but_empty_ones() -> None:
    hooks = [json.loads(line) for line in REAL_PAYLOADS.read_text().splitlines()]
    texts = {text for hook in hooks for text in extract(hook["event"], hook["payload"])}
    assert {text.kind for text in texts} >= {"pull_request", "issue", "comment", "discussion", "commit"}
    assert all(text.subject.startswith("https://github.com/") for text in texts)
    assert all(text.content for text in texts)
