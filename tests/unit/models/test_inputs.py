"""What the operations take, and what is said of everything else."""

from typing import Any

import pytest

from orchestrator.errors import InvalidModelInput
from tasks.models.inputs import parse
from tasks.models.requests import Chat, Classify, Embed, Rank, Similarity


def test_embed_takes_a_text_or_a_list_of_texts() -> None:
    one, several = parse("embed", "a"), parse("embed", ["a", "b"])
    assert isinstance(one, Embed)
    assert isinstance(several, Embed)
    assert (one.input, several.input) == (("a",), ("a", "b"))


def test_similarity_takes_two_texts() -> None:
    request = parse("similarity", ["a", "b"])
    assert isinstance(request, Similarity)
    assert request.input == ("a", "b")


def test_rank_takes_a_query_documents_and_top_k() -> None:
    request = parse("rank", {"query": "q", "documents": ["a"]}, {"top_k": 3})
    assert isinstance(request, Rank)
    assert (request.input.query, request.input.documents, request.options.top_k) == ("q", ("a",), 3)


def test_classify_takes_a_text_and_labels() -> None:
    request = parse("classify", {"text": "t", "labels": ["a", "b"]})
    assert isinstance(request, Classify)
    assert (request.input.text, request.input.labels) == ("t", ("a", "b"))


def test_chat_takes_a_text_as_the_user_s_message() -> None:
    request = parse("chat", "Hi", {"temperature": 0, "max_tokens": 5, "stop": ["."]})
    assert isinstance(request, Chat)
    assert [message.model_dump() for message in request.input] == [{"role": "user", "content": "Hi"}]
    assert request.options.model_dump(exclude_none=True) == {
        "temperature": 0.0,
        "max_tokens": 5,
        "stop": ["."],
    }


def test_nul_and_lone_surrogates_become_replacement_characters() -> None:
    request = parse("embed", "a\x00b\ud83dc\udc00 \U0001f600")
    assert isinstance(request, Embed)
    assert request.input == ("a\ufffdb\ufffdc\ufffd \U0001f600",)


def test_an_unknown_operation_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(
        InvalidModelInput, match=r"no operation 'embedd' \(did you mean 'embed'\?\): the operat"
    ):
        parse("embedd", "a")


@pytest.mark.parametrize("operation", [None, 3, [], {}])
def test_an_operation_that_is_no_name_is_refused(operation: Any) -> None:
    with pytest.raises(InvalidModelInput, match="the operations are embed, similarity, rank, classify, chat"):
        parse(operation, "a")


WRONG: list[tuple[str, Any, Any]] = [
    *((operation, wrong, None) for operation in ("embed", "rank", "classify", "chat") for wrong in
      (None, 5, True, [], {}, [5], [None], {"query": 5}, {"text": "t"}, [["a"]], b"bytes" * 3)),
    ("similarity", "ab", None),
    ("similarity", ["a"], None),
    ("similarity", ["a", "b", "c"], None),
    ("similarity", ["a", 5], None),
    ("rank", {"query": "q", "documents": []}, None),
    ("rank", {"query": "q", "documents": "documents"}, None),
    ("rank", {"query": "q", "documents": ["a"], "other": 1}, None),
    ("rank", {"query": "q", "documents": ["a"]}, {"top_k": 0}),
    ("rank", {"query": "q", "documents": ["a"]}, {"top_k": "3"}),
    ("rank", {"query": "q", "documents": ["a"]}, {"top_k": True}),
    ("classify", {"text": "t", "labels": []}, None),
    ("chat", [{"role": "tool", "content": "c"}], None),
    ("chat", [{"role": "user"}], None),
    ("chat", "Hi", {"temperature": float("nan")}),
    ("chat", "Hi", {"temperature": "hot"}),
    ("chat", "Hi", {"max_tokens": 0}),
    ("chat", "Hi", {"stream": True}),
    ("chat", "Hi", []),
    ("embed", "a", {"temperature": 1}),
    ("embed", "a", "options"),
    ("embed", ["a"] * 2049, None),
    ("embed", "a" * 1_000_001, None),
    ("embed", ["a" * 600_000] * 2, None),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "wrong", "options"), WRONG)
def test_wrong_input_is_refused_with_what_is_allowed(operation: str, wrong: Any, options: Any) -> None:
    with pytest.raises(InvalidModelInput, match=f"^{operation} takes ") as caught:
        parse(operation, wrong, options)
    assert len(str(caught.value)) < 1000


def test_a_refusal_names_the_place_and_shows_nothing_of_the_input() -> None:
    with pytest.raises(InvalidModelInput) as caught:
        parse("rank", {"query": "my secret", "documents": ["my secret", 5]})
    assert str(caught.value) == (
        'rank takes {"query": text, "documents": [text, …]}, and the option top_k; '
        "input.documents.1: Input should be a valid string"
    )
