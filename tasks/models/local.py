"""The built-in model: wordllama, loaded from the installed package once a process, without a network."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import InvalidModelInput
from tasks.models.provider import Embedded, Reply

NAME = "local"


class LocalModel:
    """wordllama's tokenizer and its matrix of one vector a token; a text gets the mean of its tokens'."""

    def __init__(self, tokenizer: Any, token_vectors: NDArray[np.float32]) -> None:
        self._tokenizer = tokenizer
        self._token_vectors = token_vectors

    def embed(self, texts: Sequence[str]) -> Embedded:
        """One vector of 256 numbers a text, the same as wordllama's own `embed`; zeros for an empty text."""
        vectors = np.zeros((len(texts), self._token_vectors.shape[1]), dtype=np.float32)
        tokens = 0
        for row, text in enumerate(texts):
            # One text at a time, where wordllama pads all texts of a batch to the longest: a batch with one
            # long text would take hundreds of megabytes.
            ids = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
            tokens += len(ids)
            if ids:
                vectors[row] = self._mean(ids)
        return Embedded(vectors, tokens)

    def chat(self, messages: Sequence[Mapping[str, str]], options: Mapping[str, Any]) -> Reply:  # noqa: ARG002
        """Refuse: it has no words of its own."""
        raise InvalidModelInput(
            f"the model {NAME!r} cannot chat, it can embed, similarity, rank and classify: "
            "add a server for chat to OMNINODE_MODELS and call it by its name there"
        )

    def _mean(self, ids: list[int]) -> NDArray[np.float32]:
        # Each token's vector once, times how often it occurs: memory is bounded by the vocabulary.
        different, counts = np.unique(np.asarray(ids, dtype=np.int32), return_counts=True)
        total: NDArray[np.float32] = counts.astype(np.float32) @ self._token_vectors[different]
        return total / np.float32(len(ids))


_lock = Lock()
_loaded: LocalModel | None = None


def model() -> LocalModel:
    """This process's model: loaded by whoever asks first, while others wait."""
    global _loaded  # noqa: PLW0603 (a process has one)
    if _loaded is None:
        with _lock:
            _loaded = _loaded or _load()
    return _loaded


def preload() -> None:
    """Load the model before a worker forks: its children share the pages instead of loading it each."""
    model()


def _load() -> LocalModel:
    # Its threads do not survive a fork, and the work here is one short text at a time.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with _root_logger_left_alone():
        import wordllama  # noqa: PLC0415 (half a second, needed by workers alone)
    loaded = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    loaded.tokenizer.no_padding()
    return LocalModel(loaded.tokenizer, loaded.embedding)


@contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    # wordllama calls logging.basicConfig when it is imported, which does nothing where there is a handler.
    root = logging.getLogger()
    guard = logging.NullHandler()
    root.addHandler(guard)
    try:
        yield
    finally:
        root.removeHandler(guard)
