"""An OpenAI-compatible server that behaves, and every way in which one does not."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.errors import DeadlineExceeded, ModelRefused, ModelUnavailable
from tasks.models.openai import OpenAIServer
from tests.unit.models.model_server import (
    Behaviour,
    ModelServer,
    answer,
    completion,
    dribble_body,
    dribble_headers,
    embeddings,
    hang,
    reset,
    serve,
)
from tests.within_task import within_task

KEY = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serve() as running:
        yield running


def _model(server: ModelServer, **changes: Any) -> OpenAIServer:
    return OpenAIServer("gpt", server.endpoint(**changes))


def test_chat_sends_the_messages_with_the_key_and_returns_the_reply(server: ModelServer) -> None:
    server.behaviour = answer(completion("Hello!", {"prompt_tokens": 7, "completion_tokens": 2}))
    reply = _model(server).chat([{"role": "user", "content": "Hi"}], {"temperature": 0.5})
    assert (reply.text, reply.finish_reason, reply.input_tokens, reply.output_tokens) == (
        "Hello!",
        "stop",
        7,
        2,
    )
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
    }


def test_embed_puts_the_vectors_into_the_order_of_their_texts(server: ModelServer) -> None:
    disordered = {"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [1.5, 0]}]}
    server.behaviour = answer(disordered)
    embedded = _model(server).embed(["a", "b"])
    assert embedded.vectors.tolist() == [[1.5, 0.0], [0.0, 2.0]]
    assert embedded.tokens is None
    assert server.requests[0].body == {"model": "tiny", "input": ["a", "b"]}


def test_many_texts_are_sent_in_several_requests(server: ModelServer) -> None:
    def behave(handler: Any, request: Any) -> None:
        vectors = [[float(text)] for text in request.body["input"]]
        answer(embeddings(vectors, {"prompt_tokens": len(vectors)}))(handler, request)

    server.behaviour = behave
    embedded = _model(server).embed([str(number) for number in range(300)])
    assert embedded.vectors[:, 0].tolist() == [float(number) for number in range(300)]
    assert embedded.tokens == 300
    assert [len(request.body["input"]) for request in server.requests] == [128, 128, 44]


def test_a_server_without_a_key_is_asked_without_one(server: ModelServer) -> None:
    server.behaviour = answer(completion("yes"))
    _model(server, api_key=None).chat([], {})
    assert "Authorization" not in server.requests[0].headers


def test_a_key_with_the_newline_of_its_file_is_sent_without_it(server: ModelServer) -> None:
    server.behaviour = answer(completion("yes"))
    _model(server, api_key=f"{KEY}\n").chat([], {})
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 529])
def test_an_overloaded_server_is_unavailable(server: ModelServer, status: int) -> None:
    server.behaviour = answer({"error": {"message": "slow down"}}, status)
    with pytest.raises(ModelUnavailable, match=f"HTTP {status}: slow down") as caught:
        _model(server).chat([], {})
    assert caught.value.retry_after_seconds is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_client_error_is_a_refusal(server: ModelServer, status: int) -> None:
    server.behaviour = answer({"error": {"message": "no such thing"}}, status)
    with pytest.raises(ModelRefused, match=f"HTTP {status}: no such thing"):
        _model(server).chat([], {})


def test_a_redirection_is_a_refusal_that_names_the_target(server: ModelServer) -> None:
    server.behaviour = answer(b"", 308, {"Location": "https://elsewhere/v1"})
    with pytest.raises(ModelRefused, match="redirects to https://elsewhere/v1: correct its base_url"):
        _model(server).chat([], {})


@pytest.mark.parametrize(
    ("header", "expected_seconds"),
    [("2.5", 2.5), ("-3", 0.0), ("nan", None), ("soon", None), ("1e12", 3600.0)],
)
def test_retry_after_is_honoured_within_bounds(
    server: ModelServer, header: str, expected_seconds: float | None
) -> None:
    server.behaviour = answer({}, 429, {"Retry-After": header})
    with pytest.raises(ModelUnavailable) as caught:
        _model(server).chat([], {})
    assert caught.value.retry_after_seconds == expected_seconds


NONSENSE_FOR_ALL = [
    b"",
    b"<html>Welcome!</html>",
    b"null",
    b"[]",
    b"{}",
    b'{"data": 3, "choices": 3}',
    b"\xff",
]


@pytest.mark.parametrize(
    "body",
    [
        *NONSENSE_FOR_ALL,
        json.dumps(embeddings([])).encode(),
        json.dumps(embeddings([[1.0]])).encode(),
        json.dumps(embeddings([[1.0], [1.0], [1.0]])).encode(),
        json.dumps(embeddings([[1.0], [1.0, 2.0]])).encode(),
        json.dumps(embeddings([[], []])).encode(),
        json.dumps(embeddings([[1.0], [float("nan")]])).encode(),
        json.dumps(embeddings([[1.0], [float("inf")]])).encode(),
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}',
        b'{"data": [{"index": 0, "embedding": ["one"]}, {"index": 1, "embedding": [1]}]}',
        b'{"data": ' + b"[" * 100_000,
    ],
)
def test_embeddings_that_are_nonsense_may_heal(server: ModelServer, body: bytes) -> None:
    server.behaviour = answer(body)
    with pytest.raises(ModelUnavailable, match="answered nonsense"):
        _model(server).embed(["a", "b"])


@pytest.mark.parametrize(
    "body",
    [
        *NONSENSE_FOR_ALL,
        b'{"choices": []}',
        b'{"choices": [{}]}',
        json.dumps(completion(None)).encode(),
        json.dumps(completion(["text"])).encode(),
        json.dumps(completion("text", finish_reason=5)).encode(),
    ],
)
def test_a_completion_that_is_nonsense_may_heal(server: ModelServer, body: bytes) -> None:
    server.behaviour = answer(body)
    with pytest.raises(ModelUnavailable, match="answered nonsense"):
        _model(server).chat([], {})


@pytest.mark.parametrize(
    "usage", [None, 3, {}, {"prompt_tokens": "7"}, {"prompt_tokens": -1}, {"prompt_tokens": 2**31}]
)
def test_a_usage_that_is_nonsense_is_no_usage(server: ModelServer, usage: Any) -> None:
    server.behaviour = answer(completion("yes", usage))
    assert _model(server).chat([], {}).input_tokens is None


def test_an_answer_of_endless_length_is_nonsense(server: ModelServer) -> None:
    def behave(handler: Any, _request: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            handler.wfile.write(b" " * 1_000_000)

    server.behaviour = behave
    with pytest.raises(ModelUnavailable, match="longer than 16777216 bytes"):
        _model(server, read_timeout_seconds=20.0).chat([], {})


def test_a_compressed_answer_is_not_unpacked(server: ModelServer) -> None:
    server.behaviour = answer(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    with pytest.raises(ModelUnavailable, match="compressed"):
        _model(server).chat([], {})
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("behaviour", [hang, dribble_headers, dribble_body])
def test_a_server_that_hangs_or_dribbles_does_not_hold_the_call(
    server: ModelServer, behaviour: Behaviour
) -> None:
    server.behaviour = behaviour
    started = time.monotonic()
    with pytest.raises(ModelUnavailable):
        _model(server, connect_timeout_seconds=0.5, read_timeout_seconds=0.25).chat([], {})
    # The whole limit is 0.5 + 2 * 0.25 seconds; what dribbles would go on for ever.
    assert time.monotonic() - started < 10.0


def test_a_deadline_ends_the_call_and_is_not_the_servers_fault(server: ModelServer) -> None:
    server.behaviour = hang
    with within_task(0.2), pytest.raises(DeadlineExceeded, match="when the task's deadline was over"):
        _model(server).chat([], {})


def test_a_reset_connection_may_heal(server: ModelServer) -> None:
    server.behaviour = reset
    with pytest.raises(ModelUnavailable, match="did not answer"):
        _model(server).chat([], {})


def test_a_refused_connection_may_heal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    nobody = ModelServer(f"http://127.0.0.1:{port}")
    with pytest.raises(ModelUnavailable, match="did not answer: ConnectError"):
        _model(nobody).chat([], {})


def test_an_answer_that_is_no_http_may_heal(server: ModelServer) -> None:
    def behave(handler: Any, _request: Any) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")

    server.behaviour = behave
    with pytest.raises(ModelUnavailable):
        _model(server).chat([], {})


@pytest.mark.parametrize("base_url", ["http://[::1", "http://127.0.0.1:99999999/v1"])
def test_an_address_that_is_none_is_a_refusal(server: ModelServer, base_url: str) -> None:
    with pytest.raises(ModelRefused, match="cannot be called"):
        _model(server, base_url=base_url).chat([], {})


@pytest.mark.parametrize("status", [200, 401, 500])
def test_the_key_is_in_no_error(server: ModelServer, status: int) -> None:
    server.behaviour = answer(
        {"error": {"message": f"the key {KEY} is bad"}, "url": "http://u:pw@h/"}, status
    )
    with pytest.raises((ModelRefused, ModelUnavailable)) as caught:
        _model(server).chat([], {})
    assert KEY not in repr(caught.value)
    assert KEY not in str(caught.value)


def test_a_key_that_fits_no_header_is_a_refusal_without_the_key(server: ModelServer) -> None:
    with pytest.raises(ModelRefused) as caught:
        _model(server, api_key="sk-very\nsecret").chat([], {})
    assert "very" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_what_a_failing_server_says_is_shown_bounded_and_in_one_line(server: ModelServer) -> None:
    server.behaviour = answer(b"<html>\n\x00" + b"x" * 5000, 500)
    with pytest.raises(ModelUnavailable) as caught:
        _model(server).chat([], {})
    assert str(caught.value).endswith("HTTP 500: <html> \ufffd" + "x" * 292)


def test_a_connection_is_used_again(server: ModelServer) -> None:
    ports = set()

    def behave(handler: Any, request: Any) -> None:
        ports.add(handler.client_address)
        answer(completion("yes"))(handler, request)

    server.behaviour = behave
    for _ in range(3):
        _model(server).chat([], {})
    assert len(ports) == 1
