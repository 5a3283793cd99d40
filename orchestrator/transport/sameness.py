"""Tells whether a batch that is repeated has the rows that it had before."""

import hashlib

from kombu.utils.json import JSONEncoder

from orchestrator.transport.rendering import Row

DIGEST_CHARACTERS = 16

# As `kombu.utils.json.dumps` writes, without an encoder for each row.
_encode = JSONEncoder(sort_keys=True).encode


class Digest:
    """A digest of all rows of a batch so far, and of the task that they are for.

    Compared is what JSON says of the arguments: what it cannot write, a pickle, may differ between two
    writings of the same, and is taken for the same.
    """

    def __init__(self, task: str) -> None:
        self._hash = hashlib.blake2b(task.encode(errors="surrogatepass"), digest_size=DIGEST_CHARACTERS // 2)

    def add(self, row: Row) -> str:
        """The digest up to this row, which is the next one."""
        try:
            content = _encode((row[0] or (), row[1]))
        except (TypeError, ValueError, RecursionError):
            content = "?"
        self._hash.update(b"\n" + content.encode())
        return self._hash.hexdigest()
