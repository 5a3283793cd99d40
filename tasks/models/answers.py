"""Reads the bodies of an OpenAI-compatible server, and tells answers from nonsense."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from orchestrator.storable import clean
from tasks.models.exchange import BadAnswer
from tasks.models.provider import Embedded, Reply

_MAX_TOKENS = 2**31 - 1
_MAX_SAID_CHARACTERS = 300


class _Vector(BaseModel):
    index: int
    embedding: Annotated[list[FiniteFloat], Field(min_length=1)]


class _Embeddings(BaseModel):
    data: list[_Vector]
    usage: Any = None


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: Any = None


class _Models(BaseModel):
    data: list[dict[str, Any]]


class _Error(BaseModel):
    message: str


class _Failure(BaseModel):
    error: _Error


_Shape = TypeVar("_Shape", bound=BaseModel)


def embedded(body: bytes, expected: int) -> Embedded:
    """The vectors of an answer of `/embeddings`, in the order of their texts.

    Raises:
        BadAnswer: not JSON, another shape, not one vector a text, vectors of several lengths, not finite.
    """
    answer = _parse(_Embeddings, body)
    ordered = sorted(answer.data, key=lambda vector: vector.index)
    if [vector.index for vector in ordered] != list(range(expected)):
        raise BadAnswer(f"it has not one vector for each of {expected} texts")
    if len({len(vector.embedding) for vector in ordered}) != 1:
        raise BadAnswer("its vectors have several lengths")
    return Embedded(
        np.array([vector.embedding for vector in ordered]), _tokens(answer.usage, "prompt_tokens")
    )


def joined(parts: Sequence[Embedded]) -> Embedded:
    """Several answers as one; its tokens are unknown when those of one part are.

    Raises:
        BadAnswer: the parts' vectors have several lengths.
    """
    if len({part.vectors.shape[1] for part in parts}) != 1:
        raise BadAnswer("its vectors have several lengths")
    counts = [part.tokens for part in parts if part.tokens is not None]
    tokens = sum(counts) if len(counts) == len(parts) else None
    return Embedded(np.concatenate([part.vectors for part in parts]), tokens)


def reply(body: bytes) -> Reply:
    """The first choice of an answer of `/chat/completions`.

    Raises:
        BadAnswer: not JSON, another shape, no choice, no text.
    """
    answer = _parse(_Completion, body)
    choice = answer.choices[0]
    return Reply(
        choice.message.content,
        choice.finish_reason,
        _tokens(answer.usage, "prompt_tokens"),
        _tokens(answer.usage, "completion_tokens"),
    )


def model_names(body: bytes) -> list[str]:
    """The ids in an answer of `/models`.

    Raises:
        BadAnswer: not JSON, or another shape.
    """
    return [str(each.get("id")) for each in _parse(_Models, body).data]


def said(body: bytes) -> str:
    """What a failure's body says, as one bounded line: its `error.message`, or else its beginning."""
    try:
        text = _Failure.model_validate_json(body).error.message
    except ValidationError:
        text = body[: 4 * _MAX_SAID_CHARACTERS].decode("utf-8", "replace")
    return clean(" ".join(text.split()))[:_MAX_SAID_CHARACTERS]


def _parse(shape: type[_Shape], body: bytes) -> _Shape:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadAnswer(f"{place or 'the body'}: {first['msg']}") from None


def _tokens(usage: Any, name: str) -> int | None:
    # Not every server counts, and what it says must fit an integer of PostgreSQL.
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and 0 <= count <= _MAX_TOKENS else None
