"""An OpenAI-compatible server as a provider, with its failures sorted into transient and permanent."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2

from orchestrator import redaction
from orchestrator.errors import DeadlineExceeded, ModelRefused, ModelUnavailable
from orchestrator.retry.healing import http_status_can_heal, parse_retry_after
from orchestrator.settings import ModelEndpoint
from orchestrator.timeouts.deadline import left_of_task
from orchestrator.timeouts.left import deadline_left
from tasks.models import answers
from tasks.models.exchange import BadAnswer, Limits, Received, exchanger
from tasks.models.provider import Embedded, Reply

_BATCH_TEXTS = 128
_SUCCESS = range(200, 300)
_REDIRECTION = range(300, 400)
_UNSENDABLE = (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, ValueError)

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class OpenAIServer:
    """One model on one server.

    Every method raises ModelUnavailable where asking again may help: no connection, a time limit, HTTP 408,
    425, 429 and 5xx, an answer that is nonsense. It raises ModelRefused for every other HTTP status, and
    DeadlineExceeded where a task's deadline was over first, which is not the server's fault. The key is in
    none of them.
    """

    name: str
    endpoint: ModelEndpoint

    def embed(self, texts: Sequence[str]) -> Embedded:
        """One vector a text; more than 128 texts are several requests, each with its own time limit."""
        parts = [
            self._embed(texts[start : start + _BATCH_TEXTS]) for start in range(0, len(texts), _BATCH_TEXTS)
        ]
        try:
            return answers.joined(parts)
        except BadAnswer as error:
            raise self._nonsense(error) from None

    def chat(self, messages: Sequence[Mapping[str, str]], options: Mapping[str, Any]) -> Reply:
        """The model's next message, in one piece."""
        payload = {"model": self.endpoint.model, "messages": list(messages), **options}
        return self._ask("POST", "/chat/completions", payload, self._limits(), answers.reply)

    def list_models(self, limits: Limits) -> list[str]:
        """The names of the models that the server has."""
        return self._ask("GET", "/models", None, limits, answers.model_names)

    def _embed(self, texts: Sequence[str]) -> Embedded:
        payload = {"model": self.endpoint.model, "input": list(texts)}
        return self._ask(
            "POST", "/embeddings", payload, self._limits(), lambda body: answers.embedded(body, len(texts))
        )

    def _ask(
        self, method: str, path: str, payload: Any, limits: Limits, read: Callable[[bytes], _Read]
    ) -> _Read:
        limits = replace(limits, left_seconds=deadline_left())
        # Never chained, and not told in their own words where they may show a header: it holds the key.
        try:
            body = None if payload is None else json.dumps(payload, allow_nan=False).encode()
            received = exchanger().exchange(method, self._url(path), self._headers(), body, limits)
            if received.status not in _SUCCESS:
                raise self._failure(received)
            return read(received.body)
        except BadAnswer as error:
            raise self._nonsense(error) from None
        except TimeoutError:
            if left_of_task() == 0:
                detail = "had not answered when the task's deadline was over"
                raise DeadlineExceeded(self._about(detail)) from None
            detail = f"did not finish its answer within {limits.whole_seconds:g} s"
            raise ModelUnavailable(self._about(detail)) from None
        except _UNSENDABLE as error:
            detail = f"cannot be called ({type(error).__name__}): correct its base_url or its api_key"
            raise ModelRefused(self._about(detail)) from None
        except httpx2.HTTPError as error:
            raise ModelUnavailable(self._about(f"did not answer: {type(error).__name__} {error}")) from None

    def _failure(self, received: Received) -> ModelUnavailable | ModelRefused:
        detail = f"answered HTTP {received.status}: {answers.said(received.body)}"
        if received.status in _REDIRECTION:
            location = received.headers.get("Location", "nowhere")
            return ModelRefused(self._about(f"redirects to {location[:200]}: correct its base_url"))
        if not http_status_can_heal(received.status):
            return ModelRefused(self._about(detail))
        pause_seconds = parse_retry_after(received.headers.get("Retry-After"), datetime.now(UTC))
        return ModelUnavailable(self._about(detail), pause_seconds)

    def _nonsense(self, error: BadAnswer) -> ModelUnavailable:
        return ModelUnavailable(self._about(f"answered nonsense: {error}"))

    def _about(self, detail: str) -> str:
        shown = f"the model {self.name!r} at {self.endpoint.base_url} {detail}".rstrip(" :")
        key = self._key()
        return redaction.text(shown.replace(key, redaction.MASK) if key else shown)

    def _url(self, path: str) -> str:
        # httpx2 finds out about a port that is none only when it connects. Raises ValueError.
        _ = urlsplit(self.endpoint.base_url).port
        return self.endpoint.base_url.rstrip("/") + path

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        key = self._key()
        return headers | {"Authorization": f"Bearer {key}"} if key else headers

    def _key(self) -> str:
        # A key that was read from a file often ends with a newline, which no header may hold.
        secret = self.endpoint.api_key
        return secret.get_secret_value().strip() if secret else ""

    def _limits(self) -> Limits:
        return Limits(self.endpoint.connect_timeout_seconds, self.endpoint.read_timeout_seconds)
