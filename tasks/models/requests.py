"""What each operation of a model takes: typed, bounded and frozen."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from orchestrator.storable import clean

MAX_TEXTS = 2048
# Tokens of one call are in memory at once: a million characters are about 50 MB of them.
MAX_CHARACTERS = 1_000_000


def _repair(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value


def _within_limit(texts: tuple[str, ...]) -> tuple[str, ...]:
    if sum(map(len, texts)) > MAX_CHARACTERS:
        message = f"must have at most {MAX_CHARACTERS:,} characters together: split the call"
        raise ValueError(message)
    return texts


Text = Annotated[str, Field(max_length=MAX_CHARACTERS), BeforeValidator(_repair)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1, max_length=MAX_TEXTS), AfterValidator(_within_limit)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NoOptions(_Frozen):
    """The operation has no options."""


class RankOptions(_Frozen):
    """`top_k`: how many of the best documents are wanted; all of them when it is not given."""

    top_k: Count | None = None


class ChatOptions(_Frozen):
    """What is passed on to the server, under OpenAI's own names; what is not given is not sent."""

    temperature: Number | None = None
    top_p: Number | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    presence_penalty: Number | None = None
    frequency_penalty: Number | None = None
    seed: Annotated[int, Field(strict=True)] | None = None
    stop: str | list[str] | None = None
    response_format: dict[str, Any] | None = None


class Question(_Frozen):
    """A query and the documents that may answer it."""

    query: Text
    documents: Texts


class Labelling(_Frozen):
    """A text and the labels it may get."""

    text: Text
    labels: Texts


class Message(_Frozen):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text


class Embed(_Frozen):
    """Text → vector."""

    takes: ClassVar[str] = 'a text or a list of texts, such as ["first", "second"]'
    input: Annotated[Texts, BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
    options: NoOptions


class Similarity(_Frozen):
    """Two texts → how alike they are."""

    takes: ClassVar[str] = 'a list of two texts, such as ["first", "second"]'
    input: tuple[Text, Text]
    options: NoOptions


class Rank(_Frozen):
    """A query and documents → the documents, nearest first."""

    takes: ClassVar[str] = '{"query": text, "documents": [text, …]}, and the option top_k'
    input: Question
    options: RankOptions


class Classify(_Frozen):
    """A text and labels → the nearest label."""

    takes: ClassVar[str] = '{"text": text, "labels": [text, …]}'
    input: Labelling
    options: NoOptions


class Chat(_Frozen):
    """A conversation → its next message."""

    takes: ClassVar[str] = (
        'a text or a list of {"role": "system" | "developer" | "user" | "assistant", "content": text}, '
        f"and the options {', '.join(ChatOptions.model_fields)}"
    )
    input: Annotated[
        tuple[Message, ...],
        Field(min_length=1, max_length=MAX_TEXTS),
        BeforeValidator(
            lambda value: [{"role": "user", "content": value}] if isinstance(value, str) else value
        ),
    ]
    options: ChatOptions


Request = Embed | Similarity | Rank | Classify | Chat

OPERATIONS: dict[str, type[Request]] = {
    "embed": Embed,
    "similarity": Similarity,
    "rank": Rank,
    "classify": Classify,
    "chat": Chat,
}
