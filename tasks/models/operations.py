"""Works a request out over any provider: similarity, rank and classify are written once, over `embed`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.provider import Provider, Vectors
from tasks.models.requests import Chat, Classify, Embed, Rank, Request, Similarity


@dataclass(frozen=True)
class Performed:
    """An operation's output, fit for JSON, and its tokens where the provider counts them."""

    output: Any
    input_tokens: int | None
    output_tokens: int | None = None


def perform(provider: Provider, request: Request) -> Performed:
    """Ask the provider, and give the output in the operation's shape.

    embed: a list of vectors, one a text, for a single text too. similarity: the cosine, -1 to 1.
    rank: `[{"index", "score", "document"}, …]`, best first. classify: `{"label", "score", "scores"}`.
    chat: `{"text", "finish_reason"}`. A text without a vector (an empty one) is like nothing else: its
    cosines are 0 and its label is None.
    """
    match request:
        case Embed():
            embedded = provider.embed(request.input)
            return Performed(embedded.vectors.tolist(), embedded.tokens)
        case Similarity():
            embedded = provider.embed(request.input)
            return Performed(float(cosines(embedded.vectors)[0]), embedded.tokens)
        case Rank():
            return _rank(provider, request)
        case Classify():
            return _classify(provider, request)
        case Chat():
            return _chat(provider, request)


def cosines(vectors: Vectors) -> NDArray[np.float64]:
    """The cosines between the first vector and each of the others; 0 where one of the two is zero."""
    exact = vectors.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1)
    products = exact[1:] @ exact[0]
    lengths = norms[1:] * norms[0]
    scores: NDArray[np.float64] = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    # Rounding can take the cosine of a vector with itself past 1.
    return np.clip(scores, -1.0, 1.0)


def _rank(provider: Provider, request: Rank) -> Performed:
    documents = request.input.documents
    embedded = provider.embed((request.input.query, *documents))
    scores = cosines(embedded.vectors)
    # A stable sort: equal documents keep the order they came in.
    best_first = np.argsort(-scores, kind="stable")[: request.options.top_k]
    ranked = [
        {"index": index, "score": float(scores[index]), "document": documents[index]}
        for index in best_first.tolist()
    ]
    return Performed(ranked, embedded.tokens)


def _classify(provider: Provider, request: Classify) -> Performed:
    labels = request.input.labels
    embedded = provider.embed((request.input.text, *labels))
    scores = cosines(embedded.vectors)
    nearest = int(np.argmax(scores))
    known = bool(np.any(embedded.vectors[0]))
    output = {
        "label": labels[nearest] if known else None,
        "score": float(scores[nearest]),
        "scores": dict(zip(labels, scores.tolist(), strict=True)),
    }
    return Performed(output, embedded.tokens)


def _chat(provider: Provider, request: Chat) -> Performed:
    messages = [message.model_dump() for message in request.input]
    reply = provider.chat(messages, request.options.model_dump(exclude_none=True))
    output = {"text": reply.text, "finish_reason": reply.finish_reason}
    return Performed(output, reply.input_tokens, reply.output_tokens)
