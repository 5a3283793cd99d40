"""Which addresses settings may hold: each function returns the one it was given, or raises ValueError."""

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

_SOCKET = "redis+socket"


def redis_url(url: str) -> str:
    """A Redis that our own client can reach."""
    example = "redis://:password@host:6379/0 (or rediss://, redis+socket://)"
    return _of_scheme(url, {"redis", "rediss", _SOCKET}, f"{example}; a Sentinel goes into CELERY_BROKER_URL")


def broker_url(url: str) -> str:
    """A Redis that Celery can reach, in ways that our own client does not know too."""
    schemes = {"redis", "rediss", _SOCKET, "sentinel"}
    return _of_scheme(
        url, schemes, "redis://:password@host:6379/0 (or rediss://, redis+socket://, sentinel://)"
    )


def as_redis_spells(url: str) -> str:
    """The same address for redis-py, which calls a Unix socket `unix://` and Celery's `virtual_host` `db`."""
    parts = urlsplit(url)
    if parts.scheme != _SOCKET:
        return url
    query = dict(parse_qsl(parts.query))
    if "virtual_host" in query:
        query["db"] = query.pop("virtual_host").strip("/")
    asked = f"?{urlencode(query)}" if query else ""
    # urlunsplit would leave out the slashes of an empty host.
    return f"unix://{parts.netloc}{parts.path}{asked}"


def _of_scheme(url: str, schemes: set[str], example: str) -> str:
    scheme = urlsplit(url.partition(";")[0]).scheme
    if "cluster" in scheme:
        message = "must name one Redis or a Sentinel: Redis Cluster is not supported yet"
        raise ValueError(message)
    if scheme not in schemes:
        message = f"must be a Redis URL such as {example}"
        raise ValueError(message)
    return _with_valid_port(url)


def _with_valid_port(url: str) -> str:
    try:
        urlsplit(url.partition(";")[0]).port  # noqa: B018 (asking for it is the check)
    except ValueError:
        message = "must have a port between 1 and 65535, or none"
        raise ValueError(message) from None
    return url


def result_backend(url: str) -> str:
    """Any result backend of Celery."""
    if not re.match(r"[a-z][a-z0-9+.-]*://", url):
        message = "must be the URL of a result backend of Celery, such as redis://host:6379/1 or rpc://"
        raise ValueError(message)
    return url


def database_url(url: str) -> str:
    """A PostgreSQL."""
    if urlsplit(url).scheme not in {"postgresql", "postgres"}:
        message = "must be a PostgreSQL URL such as postgresql://user:password@host:5432/database"
        raise ValueError(message)
    return _with_valid_port(url)


def bootstrap_servers(servers: str) -> str:
    """One or more servers of a Kafka cluster."""
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004 (the highest port)
            message = "must be host:port[,host:port…], such as localhost:9092"
            raise ValueError(message)
    return servers


def web_address(url: str) -> str:
    """A server of the web; it may hold a name and a password."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or any(c.isspace() for c in url):
        message = "must be a URL such as https://host/path"
        raise ValueError(message)
    return _with_valid_port(url)
