"""The version of the keys in a broker: workers raise it, and none works where a newer one has.

It is part of the keys' names: raising it leaves behind all that is delayed or in flight. New places beside
the old ones do not need it, where who does not know them leaves them alone: what is set aside is safe.
"""

from __future__ import annotations

from typing import Any

from kombu.utils.encoding import bytes_to_str

from orchestrator import keys
from orchestrator.errors import SchemaError
from orchestrator.transport import scripts


def agree(channel: Any) -> None:
    """Write this release's version where an older one or none stands.

    Raises:
        SchemaError: what stands there is newer, or no version; nothing was changed.
        redis.exceptions.RedisError: Redis is away or takes no writes; it may be tried again.
    """
    key = keys.schema(channel.global_keyprefix)
    script = scripts.load("version")
    with channel.plain_client() as client:
        found = client.register_script(script.text)(keys=[key], args=[keys.SCHEMA])
    if found is None:
        return
    broker = channel.connection.client.as_uri()
    raise SchemaError(
        f"the keys at {broker} are of schema {bytes_to_str(found)} (says {key}), and this release "
        f"knows {keys.SCHEMA}: start the OmniNode that wrote them, or use another Redis; nothing was touched"
    )
