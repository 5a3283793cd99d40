"""Kafka's jars from Maven and a start-up cache for this very Java, made once for all stacks of this user."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from orchestrator.dev import ports
from orchestrator.dev.java import Java
from orchestrator.dev.kafka_broker import Broker, java_options
from orchestrator.dev.serving import Site
from orchestrator.dev.steps import Steps, until
from orchestrator.errors import StackError

VERSION = "4.4.0"
_POM = Path(__file__).parent / "kafka-pom.xml"
_FETCH_SECONDS = 600.0
_STOP_SECONDS = 60.0
# Java's class-data archive: the classes of a run that went before, ready to be mapped into memory.
_ARCHIVE = "classes.jsa"
_QUIET = ("-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr")


def program(site: Site, server: str, java: Java, maven: Path) -> Steps[list[str]]:
    """Java, its options and Kafka's class path; what is not in the cache yet is fetched and made first.

    Raises:
        StackError: Maven could not fetch Kafka.
    """
    root = _root()
    jars, start = root / "jars", root / f"java-{java.fingerprint}"
    if not (jars.exists() and start.exists()):
        root.mkdir(parents=True, exist_ok=True)
        with (root / "lock").open("w") as lock:
            yield from until(
                lambda: _is_taken(lock), _FETCH_SECONDS, f"another process did not finish {root}"
            )
            if not jars.exists():
                site.tell(server, f"fetching Apache Kafka {VERSION} with Maven (once)")
                yield from _make(site, jars, lambda draft: _fetch(site, maven, draft))
            if not start.exists():
                site.tell(server, f"preparing a fast start for Java {java.release} (once)")
                yield from _make(site, start, lambda draft: _train(site, java, jars, draft))
    archive = start / _ARCHIVE
    return _command(java, jars, [f"-XX:SharedArchiveFile={archive}", *_QUIET] if archive.exists() else [])


def _root() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "omninode" / f"kafka-{VERSION}"


def _is_taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make(site: Site, place: Path, make: Callable[[Path], Steps[None]]) -> Steps[None]:
    """Make a folder beside its place and move it there when it is whole: half of a cache is never used."""
    draft = place.with_name(f"draft-{secrets.token_hex(8)}")
    site.children.guard.tell(remove=str(draft))
    draft.mkdir()
    yield from make(draft)
    draft.rename(place)


def _fetch(site: Site, maven: Path, draft: Path) -> Steps[None]:
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={draft}"]
    try:
        yield from site.children.run(
            "maven", [str(maven), "-q", "-B", "-f", str(_POM), *goal], _FETCH_SECONDS
        )
    except StackError as error:
        raise StackError(
            f"Maven could not fetch Apache Kafka {VERSION} (is there a network?): {error}"
        ) from error


def _train(site: Site, java: Java, jars: Path, draft: Path) -> Steps[None]:
    """Run a broker once, and have Java keep its classes. A Java that cannot do that starts Kafka without."""
    command = _command(java, jars, [f"-XX:ArchiveClassesAtExit={draft / _ARCHIVE}"])
    folder = draft / "broker"
    folder.mkdir()
    with suppress(StackError):
        yield from _run_once(site, Broker(folder, command, *ports.free(2)))
    shutil.rmtree(folder)


def _run_once(site: Site, broker: Broker) -> Steps[None]:
    broker.write_configuration()
    plain = Broker(broker.folder, [word for word in broker.program if "Archive" not in word], 0, 0)
    yield from site.children.run("kafka-training", plain.format_command(), _STOP_SECONDS)
    child = site.children.start("kafka-training", broker.command())
    yield from site.until_answering(child, broker.answers)
    child.process.send_signal(signal.SIGTERM)
    yield from until(child.has_ended, _STOP_SECONDS, "the training run of Kafka did not end")
    site.children.forget(child)


def _command(java: Java, jars: Path, caching: Sequence[str]) -> list[str]:
    class_path = os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))
    return [str(java.program), *java_options(*caching), "-cp", class_path]
