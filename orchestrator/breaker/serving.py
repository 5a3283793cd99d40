"""What a process has once for all its breakers: the store, the push link, and the thread that serves them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakValueDictionary

import redis
from redis.exceptions import RedisError

from orchestrator import forks, logger
from orchestrator.breaker import wire
from orchestrator.breaker.beside import Beside
from orchestrator.breaker.link import Link, client
from orchestrator.breaker.member import Member
from orchestrator.breaker.news import Listener, News
from orchestrator.breaker.state import State
from orchestrator.breaker.store import Store

R = TypeVar("R")

_LOG = logger.get(__name__)
# How often successes are told, and how often what is in use is read, whatever was heard.
FLUSH_SECONDS = 0.25
READ_SECONDS = 1.0
_AGAIN_SECONDS = 0.1
# How long a first call waits for the link: a try of it takes one timeout, unless names are not resolved.
_START_SECONDS = 1.0
_NAMES_AT_ONCE = 500
_COMPLAIN_SECONDS, _MOST_COMPLAINTS = 60.0, 100


class Hub:
    """The process's one; made by `hub.hub()`, at work from the first call of a breaker on.

    `is_up`: the link is there, so that what is known of a breaker is what Redis knows.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self.url, self.prefix = url, prefix
        self.is_up = False
        self.members: WeakValueDictionary[str, Member] = WeakValueDictionary()
        self.news = News()
        self.beside = Beside()
        self._client = client(url)
        self.store = Store(self._client, prefix)
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._wake = threading.Event()
        self._tried = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._link: Link | None = None
        self._is_back = True
        self._read_at = self._flushed_at = 0.0
        self._complained: dict[str, float] = {}

    def listen(self, callback: Listener) -> None:
        """Have it called in the hub's thread, with the states before and after a change of circuit or mode.

        Only for this process: a forked child that wants to listen says so itself.
        """
        self.news.listen(callback)

    def forget(self, callback: Listener) -> None:
        """Call it no more."""
        self.news.forget(callback)

    def start(self) -> None:
        """Have the link up, or know that Redis is away: waits for the first try of it, once a process."""
        if self._tried.is_set():
            return
        with self._lock:
            if self._thread is None and not self._closed:
                forks.keep_apart()
                self._thread = threading.Thread(target=self._run, name="omninode-breakers", daemon=True)
                self._thread.start()
        self._tried.wait(_START_SECONDS)
        self._tried.set()

    def join(self, member: Member) -> None:
        """Let it hear what is published from now on."""
        with self._lock:
            self.members[member.name] = member

    def ask(self, question: Callable[[Store], R]) -> R | None:
        """The answer; None: Redis is away, which is found out once, for every breaker of the process."""
        if not self.is_up:
            return None
        try:
            return question(self.store)
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            self.lose(error)
        except (RedisError, ValueError) as error:
            # It answers, and refuses: that need not be so for other breakers.
            self._complain(f"{type(error).__name__}: {error}"[:200])
        return None

    def lose(self, error: BaseException) -> None:
        """Redis does not answer: until it is back, breakers are this process's own."""
        was_up, self.is_up = self.is_up, False
        self._is_back = False
        if was_up:
            _LOG.warning("breakers_are_local", error=f"{type(error).__name__}: {error}"[:200])
        # What the link says next is not to be trusted either: it begins anew, with a read.
        self._break_off()

    def flush(self) -> None:
        """Tell of the successes that were counted. A process that ends at once calls it before."""
        # Who flushes at the process's end waits for what the thread has taken already.
        with self._flushing:
            self.beside.do_later()
            self._flush()

    def close(self) -> None:
        """End the thread and the connections; the breakers begin anew with the next hub."""
        self._closed, self.is_up = True, False
        self._break_off()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(5.0)
        self.beside.close()
        self._client.close()

    def _flush(self) -> None:
        told = [
            (member, policy, report)
            for member in self._all()
            if (gathered := member.gather()) is not None
            for policy, report in [gathered]
        ]
        if not told:
            return
        each = [(member.name, policy, report) for member, policy, report in told]
        states = self.ask(lambda store: store.report_all(each))
        for index, (member, _, report) in enumerate(told):
            state = states[index] if states else None
            if state is None:
                member.keep(report)
            else:
                member.hear(state)

    def _complain(self, error: str) -> None:
        # Each call may be refused in the same words: once a minute is enough.
        now = time.monotonic()
        if now < self._complained.get(error, -math.inf) + _COMPLAIN_SECONDS:
            return
        if len(self._complained) >= _MOST_COMPLAINTS:
            self._complained.clear()
        self._complained[error] = now
        _LOG.warning("breaker_refused", error=error)

    def _break_off(self) -> None:
        link = self._link
        if link is not None and threading.current_thread() is not self._thread:
            link.interrupt()
        self._wake.set()

    def _run(self) -> None:
        while not self._closed:
            try:
                self._connect()
                self._wait_for_redis()
            except BaseException:
                # It ends one try, and not the thread: nothing would be heard any more.
                self.is_up = False
                _LOG.exception("breaker_link_failed")
                time.sleep(_AGAIN_SECONDS)

    def _connect(self) -> None:
        link = self._link = Link(self._client, self.store.channel)
        try:
            self._serve(link)
        except (RedisError, OSError) as error:
            self.lose(error)
        finally:
            self._link = None
            link.close()
            self._tried.set()

    def _serve(self, link: Link) -> None:
        with forks.threads_at_work():
            link.open()
            self._come_back()
        self._tried.set()
        while not self._closed:
            link.wait(FLUSH_SECONDS, self._hear)
            if not self.is_up:
                message = "a command was not answered"
                raise redis.ConnectionError(message)
            with forks.threads_at_work():
                self._tick()

    def _wait_for_redis(self) -> None:
        self._wake.clear()
        with forks.threads_at_work():
            self._tick()
        if not self._closed:
            self._wake.wait(_AGAIN_SECONDS)

    def _come_back(self) -> None:
        members = self._all()
        if members and not self._is_back:
            # That it can be read is not enough: it may be a replica.
            self.store.check_writable()
        read = self._read(members)
        if members and not self._is_back:
            _LOG.info("breakers_are_shared")
        self._is_back = self.is_up = True
        for member, state, heard in read:
            member.read(state, heard)
        self._read_at = time.monotonic()

    def _tick(self) -> None:
        if time.monotonic() - self._flushed_at >= FLUSH_SECONDS / 2:
            self._flushed_at = time.monotonic()
            self.flush()
        if self.is_up and time.monotonic() - self._read_at >= READ_SECONDS:
            self._read_at = time.monotonic()
            for member, state, heard in self._read([each for each in self._all() if each.is_in_use]):
                member.read(state, heard)
        self.news.tell()

    def _read(self, members: list[Member]) -> list[tuple[Member, State, int]]:
        read = []
        for start in range(0, len(members), _NAMES_AT_ONCE):
            some = members[start : start + _NAMES_AT_ONCE]
            heard = [member.heard for member in some]
            states = self.store.read([member.name for member in some])
            read += list(zip(some, states, heard, strict=True))
        return read

    def _hear(self, message: str) -> None:
        try:
            state = wire.state(message)
        except ValueError as error:
            _LOG.warning("breaker_message_ignored", error=str(error))
            return
        member = self.members.get(state.name)
        if member is not None:
            member.hear(state)

    def _all(self) -> list[Member]:
        with self._lock:
            return list(self.members.values())
