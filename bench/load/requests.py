"""Counts what clients ask of Redis, exactly: what MONITOR tells, without the commands inside scripts."""

import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from urllib.parse import urlsplit

from bench.load.bed import Bed

# +1700000000.000000 [0 127.0.0.1:4711] "EVALSHA" …: inside a script, `lua` stands for the address.
_LINE = re.compile(rb'\+[\d.]+ \[\d+ (\S+)\] "([^"]*)"')
_CHUNK_BYTES = 1 << 20


class Requests:
    """The requests of all clients but the benchmark's own, by command."""

    def __init__(self, link: socket.socket, own: bytes) -> None:
        self._link = link
        self._passed_over = {own, b"lua"}
        self._counts: Counter[str] = Counter()
        self._rest = b""

    def read(self) -> None:
        """Count until the connection is closed."""
        while data := self._link.recv(_CHUNK_BYTES):
            *lines, self._rest = (self._rest + data).split(b"\r\n")
            for line in lines:
                if (match := _LINE.match(line)) and match[1] not in self._passed_over:
                    self._counts[match[2].decode(errors="replace").lower()] += 1

    def so_far(self) -> Counter[str]:
        """The numbers of requests until now."""
        return self._counts.copy()


@contextmanager
def counted(where: Bed) -> Iterator[Requests]:
    """Count the requests within the block; it costs Redis some time, so no speed is measured meanwhile."""
    address = urlsplit(where.url)
    own = str(where.client.client_info()["addr"]).encode()
    with socket.create_connection((address.hostname, address.port or 0)) as link:
        link.sendall(b"MONITOR\r\n")
        link.recv(len(b"+OK\r\n"), socket.MSG_WAITALL)
        requests = Requests(link, own)
        reader = Thread(target=requests.read)
        reader.start()
        try:
            yield requests
        finally:
            link.shutdown(socket.SHUT_RDWR)
            reader.join()
