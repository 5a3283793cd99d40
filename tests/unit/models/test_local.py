"""The built-in model, as the operations show it."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wordllama

from orchestrator.errors import InvalidModelInput
from tasks.models import local
from tasks.models.inputs import parse
from tasks.models.operations import perform
from tasks.models.probe import probe

TEXTS = ("The worker crashes when the queue is empty.", "A crash", "naïve café 😀 " * 300, "x")


def _perform(operation: str, input_: Any, options: dict[str, Any] | None = None) -> Any:
    return perform(local.model(), parse(operation, input_, options)).output


def test_its_vectors_are_those_of_wordllama() -> None:
    bare = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    np.testing.assert_allclose(local.model().embed(TEXTS).vectors, bare.embed(list(TEXTS)), atol=1e-5)


def test_embed_gives_a_list_of_vectors_for_a_single_text_too() -> None:
    (vector,) = _perform("embed", "A crash")
    assert len(vector) == 256
    assert all(type(number) is float for number in vector)


def test_its_tokens_are_counted() -> None:
    assert local.model().embed(["hello world", "hello"]).tokens == 3
    assert local.model().embed([""]).tokens == 0


def test_a_text_is_most_like_itself_and_more_like_a_paraphrase_than_like_another_matter() -> None:
    text = "The application crashes at startup."
    assert _perform("similarity", [text, text]) == pytest.approx(1.0)
    near = _perform("similarity", [text, "The program fails when it is started."])
    far = _perform("similarity", [text, "I like strawberries with cream."])
    assert 1.0 > near > far > -1.0


def test_rank_gives_the_best_documents_first() -> None:
    documents = ["a recipe for apple pie", "the football match", "how to bake an apple cake"]
    ranked = _perform("rank", {"query": "baking with apples", "documents": documents}, {"top_k": 2})
    assert [found["index"] for found in ranked] == [2, 0]
    assert [found["document"] for found in ranked] == [documents[2], documents[0]]
    assert ranked[0]["score"] > ranked[1]["score"]


def test_equal_documents_keep_their_order() -> None:
    ranked = _perform("rank", {"query": "a", "documents": ["same", "same", "same"]})
    assert [found["index"] for found in ranked] == [0, 1, 2]


def test_classify_gives_the_nearest_label_and_all_scores() -> None:
    output = _perform(
        "classify", {"text": "The program crashes with an error", "labels": ["praise", "bug report"]}
    )
    assert output["label"] == "bug report"
    assert output["score"] == output["scores"]["bug report"] > output["scores"]["praise"]


def test_an_empty_text_is_like_nothing_and_has_no_label() -> None:
    assert _perform("similarity", ["", "text"]) == 0.0
    assert _perform("rank", {"query": "", "documents": ["a"]}) == [
        {"index": 0, "score": 0.0, "document": "a"}
    ]
    assert _perform("classify", {"text": "", "labels": ["a", "b"]}) == {
        "label": None, "score": 0.0, "scores": {"a": 0.0, "b": 0.0},
    }  # fmt: skip


def test_chat_is_refused_with_what_the_model_can_do() -> None:
    with pytest.raises(InvalidModelInput, match="cannot chat, it can embed, similarity, rank and classify"):
        _perform("chat", "Hi")


def test_a_million_characters_are_embedded() -> None:
    assert np.linalg.norm(local.model().embed(["many words " * 90_000]).vectors) > 0


def test_threads_get_one_model_and_the_same_vectors() -> None:
    with ThreadPoolExecutor(8) as threads:
        models = list(threads.map(lambda _: local.model(), range(32)))
        vectors = list(threads.map(lambda _: local.model().embed(TEXTS).vectors, range(32)))
    assert len(set(map(id, models))) == 1
    assert all(np.array_equal(vectors[0], other) for other in vectors)


def test_the_probe_says_that_it_answers() -> None:
    assert probe("local") == "the built-in model answers with 256 numbers a text"


def test_loading_it_leaves_the_logging_alone_and_needs_neither_network_nor_much_memory() -> None:
    program = """
import logging, os, socket, psutil
def no_network(*_args): raise AssertionError("the network was asked for")
socket.socket.connect = socket.getaddrinfo = no_network
from tasks.models import local
local.preload()
assert local.model().embed(["word"]).vectors.any()
assert logging.getLogger().handlers == [] and logging.getLogger().level == logging.WARNING
assert os.environ["TOKENIZERS_PARALLELISM"] == "false"
print(psutil.Process().memory_info().rss)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < 250_000_000


def test_a_model_loaded_before_a_fork_works_in_the_child_and_shares_its_pages() -> None:
    program = """
import os, psutil
from tasks.models import local
local.preload()
texts = ["one text", "many words " * 20_000]
expected = local.model().embed(texts).vectors
child = os.fork()
if child == 0:
    same = (local.model().embed(texts).vectors == expected).all()
    print(int(same), psutil.Process().memory_full_info().uss, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    same, own_bytes = done.stdout.split()
    assert same == "1"
    # The matrix alone has 33 MB.
    assert int(own_bytes) < 60_000_000
