"""Kafka's jars from Maven and a start-up cache for this very Java, made once for all stacks of this user."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from orchestrator.dev import ports
from orchestrator.dev.processes.steps import Steps, until
from orchestrator.dev.servers.java import Java
from orchestrator.dev.servers.kafka_broker import Broker, java_options
from orchestrator.dev.servers.serving import Site
from orchestrator.errors import StackError

VERSION = "4.4.0"
_POM = Path(__file__).parent / "kafka-pom.xml"
_FETCH_SECONDS = 600.0
_TRAIN_SECONDS = 60.0
_QUIET = ("-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr")


@dataclass(frozen=True)
class KafkaCache:
    """Kafka for one Java: `server` is the name that its making is reported under."""

    site: Site
    server: str
    java: Java

    def program(self, maven: Path) -> Steps[list[str]]:
        """Java, its options and Kafka's class path; what is not in the cache yet is fetched and made first.

        Raises:
            StackError: Maven could not fetch Kafka.
        """
        if not (self._jars.exists() and self._archive.parent.exists()):
            self._root.mkdir(parents=True, exist_ok=True)
            with (self._root / "lock").open("w") as lock:
                if not _is_taken(lock):
                    self.site.tell(self.server, "waiting for another process that makes Kafka's cache")
                yield from until(lambda: _is_taken(lock), _FETCH_SECONDS, f"{self._root} was not made")
                yield from self._fill(maven)
        if self._archive.exists():
            return self._command(f"-XX:SharedArchiveFile={self._archive}", *_QUIET)
        return self._command()

    @property
    def _root(self) -> Path:
        caches = os.environ.get("XDG_CACHE_HOME")
        return (Path(caches) if caches else Path.home() / ".cache") / "omninode" / f"kafka-{VERSION}"

    @property
    def _jars(self) -> Path:
        return self._root / "jars"

    @property
    def _archive(self) -> Path:
        """Java's class-data archive: the classes of an earlier run, ready to be mapped into memory."""
        return self._root / f"java-{self.java.fingerprint}" / "classes.jsa"

    def _fill(self, maven: Path) -> Steps[None]:
        if not self._jars.exists():
            self.site.tell(self.server, f"fetching Apache Kafka {VERSION} with Maven (once)")
            yield from self._make(self._jars, lambda draft: self._fetch(maven, draft))
        if not self._archive.parent.exists():
            self.site.tell(self.server, f"preparing a fast start for Java {self.java.release} (once)")
            # Without it Kafka starts too, more slowly: the next stack tries again.
            with suppress(StackError):
                yield from self._make(self._archive.parent, self._train)

    def _make(self, place: Path, make: Callable[[Path], Steps[None]]) -> Steps[None]:
        """Make a folder beside its place and move it there when it is whole: no half of it is ever used."""
        draft = place.with_name(f"draft-{secrets.token_hex(8)}")
        self.site.children.guard.tell(remove=str(draft))
        draft.mkdir()
        yield from make(draft)
        draft.rename(place)

    def _fetch(self, maven: Path, draft: Path) -> Steps[None]:
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={draft}"]
        command = [str(maven), "-q", "-B", "-f", str(_POM), *goal]
        try:
            yield from self.site.children.run("maven", command, _FETCH_SECONDS)
        except StackError as error:
            raise StackError(
                f"Maven could not fetch Apache Kafka {VERSION} (is there a network?): {error}"
            ) from error

    def _train(self, draft: Path) -> Steps[None]:
        """Run a broker once, and have Java keep its classes; a Java that knows no archives leaves none."""
        children = self.site.children
        folder = draft / "broker"
        folder.mkdir()
        broker = Broker(folder, self._command(), *ports.free(2))
        broker.write_configuration()
        yield from children.run("kafka-format", broker.format_command(), _TRAIN_SECONDS)
        recording = self._command(f"-XX:ArchiveClassesAtExit={draft / self._archive.name}")
        child = children.start("kafka-training", replace(broker, program=recording).command())
        try:
            yield from self.site.until_answering(child, broker.answers)
            child.process.send_signal(signal.SIGTERM)
            yield from until(child.has_ended, _TRAIN_SECONDS, "the training run of Kafka did not end")
        finally:
            child.process.kill()
            child.process.wait()
            children.forget(child)
        shutil.rmtree(folder)

    def _command(self, *caching: str) -> list[str]:
        class_path = os.pathsep.join(str(jar) for jar in sorted(self._jars.glob("*.jar")))
        return [str(self.java.program), *java_options(*caching), "-cp", class_path]


def _is_taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
