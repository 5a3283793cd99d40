"""What a hook says of its resource's state, before and after."""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.hooks.sources.reading import object_at

# Fields that say where a resource stands, by the names that GitHub and many others give them.
STATE_FIELDS = (
    "state",
    "state_reason",
    "status",
    "conclusion",
    "draft",
    "merged",
    "locked",
    "archived",
    "private",
    "visibility",
    "prerelease",
    "deleted",
)


def previous_and_current(
    payload: Mapping[str, Any], about: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that changed, before and after; after also the fields that say where the resource stands.

    Read from `payload["changes"][field]["from"]` (and "to"), and from `before` and `after` of a push.
    """
    previous: dict[str, Any] = {}
    current = {name: about[name] for name in STATE_FIELDS if isinstance(about.get(name), str | bool | int)}
    for name, change in _changes(object_at(payload, "changes")):
        previous[name] = change["from"]
        current[name] = change["to"] if "to" in change else about.get(name.rpartition(".")[2])
    if isinstance(payload.get("before"), str) and isinstance(payload.get("after"), str):
        previous["sha"], current["sha"] = payload["before"], payload["after"]
    return previous, current


def _changes(changes: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, change in changes.items():
        if not isinstance(change, dict):
            continue
        if "from" in change:
            yield name, change
            continue
        # One level deeper: {"repository": {"name": {"from": …}}}.
        yield from (
            (f"{name}.{inner}", part)
            for inner, part in change.items()
            if isinstance(part, dict) and "from" in part
        )
