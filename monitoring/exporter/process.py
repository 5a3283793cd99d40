"""The exporter's process: what it answers with, and the look at the fleet that alerts follow from."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from contextlib import closing

from monitoring.alerts.looking import Looker
from monitoring.exporter import access, server
from monitoring.exporter.answers import Answers
from monitoring.exporter.handlers import application
from monitoring.rollup import process as rollup
from orchestrator import logger
from orchestrator.settings import Settings

_LOG = logger.get(__name__)
_LOOK_SECONDS = 5.0
_END_SECONDS = 0.4
_INTERRUPTED = 130


def run(settings: Settings) -> int:
    """Answer until Ctrl-C or SIGTERM; returns the exit code.

    Raises:
        SettingsError: it may not, or cannot, listen there.
    """
    door = access.chosen(settings)
    sockets = server.listen(door)
    # Who asks for what is not there is no trouble of ours.
    logging.getLogger("tornado").setLevel(logging.CRITICAL)
    rollup.begin("exporter")
    # It records little: that it lives, it tells all the same.
    rollup.writer.wake()
    looker = Looker(settings, _LOOK_SECONDS)
    looker.start()
    with closing(Answers(settings)) as answers:
        code = asyncio.run(_serve(door, sockets, answers))
    _end_within_a_moment(code)
    looker.stop()
    return code


def _end_within_a_moment(code: int) -> None:
    """Whatever still waits for a server is left behind: a look goes on elsewhere, or the next time."""
    timer = threading.Timer(_END_SECONDS, os._exit, (code,))
    timer.daemon = True
    timer.start()


async def _serve(door: access.Access, sockets: list[socket.socket], answers: Answers) -> int:
    loop, stop, heard = asyncio.get_running_loop(), asyncio.Event(), []

    def end(number: int) -> None:
        heard.append(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    where = server.url(door, sockets)
    judging = asyncio.create_task(answers.keep_judging())
    await server.serve(
        application(door, answers), sockets, stop, lambda: _LOG.info("exporter_ready", url=where)
    )
    judging.cancel()
    return _INTERRUPTED if heard[0] == signal.SIGINT else 0
