"""Ends what was taken as a worker would have: its result is told first, then its message is settled."""

from __future__ import annotations

import os
import socket
from typing import Any

from celery import Celery
from kombu.serialization import prepare_accept_content

from orchestrator import logger
from orchestrator.deadletter import letter
from orchestrator.deadletter.death import replay_of
from orchestrator.errors import DeadlineExceeded
from orchestrator.sweep.announcing import Announcer
from orchestrator.sweep.judging import Verdict
from orchestrator.transport.claim import Claim
from orchestrator.transport.envelope import decode
from orchestrator.worker import revocations, unmade
from orchestrator.worker.reporter import Reporter
from orchestrator.worker.request import FROM_BEAT, Request

_LOG = logger.get(__name__)


class _Unserved(Request):
    """A task that no worker has claimed, told of by the sweep's own threads."""

    def __init__(self, message: Any, own: Reporter, **options: Any) -> None:
        self._own = own
        super().__init__(message, **options)

    @property
    def reporter(self) -> Reporter:
        return self._own

    def revoke(self) -> None:
        """A person has revoked it, which is no letter."""
        self._announce_revoked("revoked", False, None, False)


class Ender:
    """Ends what one sweep takes, some messages at a time, and then waits for all of them."""

    def __init__(self, app: Celery, channel: Any) -> None:
        self._app, self._channel = app, channel
        self._accept = prepare_accept_content(app.conf.accept_content)
        self._name = f"sweep:{os.getpid()}@{socket.gethostname()}"
        self._announcer = Announcer(app)
        self._begun: Reporter | None = None

    def end(self, claim: Claim, verdict: Verdict) -> None:
        """Have it told and settled, beside; what cannot be told again and again is a letter all the same."""
        envelope = decode(claim.raw)
        claim.read(envelope)
        try:
            message = self._channel.Message(envelope, channel=self._channel)
        except Exception:
            # Nobody can tell who waits for it.
            self._settle(claim, verdict)
            return
        message.claim, message.accept = claim, self._accept
        request = self._request(message)
        if request is None:
            self._end_unmade(message, verdict)
        elif verdict.reason == "revoked":
            request.revoke()
        elif verdict.reason == "expired":
            request.expire()
        else:
            request.fail_late(lambda: DeadlineExceeded(verdict.sentence))

    def finish(self, timeout_seconds: float) -> None:
        """Give what is under way so long; what is untold then is told by nobody any more."""
        if self._begun and not self._begun.wait(timeout_seconds):
            self._give_up()

    def close(self) -> None:
        """Tell nothing more."""
        self._give_up()
        self._announcer.close()

    def _give_up(self) -> None:
        reporter, self._begun = self._begun, None
        if reporter:
            reporter.close(0.0)

    @property
    def _reporter(self) -> Reporter:
        if self._begun is None:
            self._begun = Reporter()
        return self._begun

    def _request(self, message: Any) -> _Unserved | None:
        """The task; None where this process does not have it, or cannot read what it is."""
        name = message.headers["task"]
        if name not in self._app.tasks:
            return None
        try:
            return _Unserved(
                message,
                self._reporter,
                app=self._app,
                hostname=self._name,
                eventer=self._announcer,
                task=self._app.tasks[name],
            )
        except Exception as error:
            _LOG.debug("unserved_task_unread", task=name, error=str(error))
            return None

    def _end_unmade(self, message: Any, verdict: Verdict) -> None:
        claim, task_id = message.claim, message.headers["id"]
        _LOG.error("task_not_begun", task=message.headers["task"], task_id=task_id, error=verdict.sentence)
        is_tick = bool(message.headers.get(FROM_BEAT)) and not replay_of(message.headers)

        def tell() -> None:
            if is_tick or verdict.reason != "deadline_exceeded":
                self._tell_revoked(message, verdict)
                return
            error = DeadlineExceeded(verdict.sentence)
            unmade.tell(self._app, message, task_id, error)
            self._announcer.send("task-failed", uuid=task_id, exception=repr(error))

        def then() -> None:
            self._settle(claim, verdict, is_tick=is_tick)

        self._reporter.report(tell, then, then)

    def _tell_revoked(self, message: Any, verdict: Verdict) -> None:
        task_id, is_expired = message.headers["id"], verdict.reason != "revoked"
        about = {"request": unmade.context(message), "store_result": True}
        self._app.backend.mark_as_revoked(task_id, verdict.sentence, **about)
        self._announcer.send("task-revoked", uuid=task_id, terminated=False, signum=None, expired=is_expired)

    def _settle(self, claim: Claim, verdict: Verdict, *, is_tick: bool = False) -> None:
        if is_tick or verdict.reason == "revoked":
            claim.done("revoked")
            revocations.forget(self._channel, claim.envelope["headers"]["id"])
            return
        fields = letter.write(
            verdict.reason,
            claim.queue,
            claim.raw,
            claim.original,
            error=None if verdict.reason == "expired" else DeadlineExceeded(verdict.sentence),
            deliveries=claim.deliveries + 1,
            worker=self._name,
        )
        claim.bury(fields)
