"""What GitHub's payloads are about: which object, how it is identified, and which hooks belong together."""

from collections.abc import Mapping
from typing import Any

from tasks.hooks.sources.github_events import EVENTS
from tasks.hooks.sources.reading import Reading, object_at, text_at

# In the order of preference: numbers first, then what GitHub keeps stable, then what a person chose.
_IDENTITIES = (
    "id",
    "node_id",
    "ghsa_id",
    "guid",
    "sha",
    "head_sha",
    "slug",
    "property_name",
    "login",
    "name",
)
_MOMENTS = (
    "updated_at",
    "completed_at",
    "dismissed_at",
    "submitted_at",
    "published_at",
    "starred_at",
    "started_at",
    "created_at",
    "timestamp",
)
# Issues, pull requests and discussions of a repository share one sequence of numbers.
_THREADS = ("issue", "pull_request", "discussion", "blocked_issue", "parent_issue")
_COMMITS = (
    ("check_run", "head_sha"),
    ("check_suite", "head_sha"),
    ("workflow_run", "head_sha"),
    ("workflow_job", "head_sha"),
    ("merge_group", "head_sha"),
    ("deployment", "sha"),
    ("comment", "commit_id"),
)


def read(event: str, payload: dict[str, Any]) -> Reading:
    """Read a payload of GitHub's; an event that is not known is about its repository."""
    resource, key = EVENTS.get(event, ("repository", "repository"))
    repository = text_at(object_at(payload, "repository"), "full_name")
    about = object_at(payload, *key.split(".")) if key else payload
    return Reading(
        resource=resource,
        resource_id=_resource_id(event, key, repository, payload, about),
        correlation_id=_correlation_id(repository, payload),
        about=about,
        moments=_moments(payload, about),
    )


def _resource_id(
    event: str, key: str, repository: str, payload: dict[str, Any], about: dict[str, Any]
) -> str:
    if event in {"push", "create", "delete"}:
        return f"{repository}@{_ref(payload)}"
    if event == "status":
        return f"{repository}@{text_at(payload, 'sha')}"
    if key == "repository" and repository:
        return repository
    number = text_at(about, "number")
    if repository and number:
        return f"{repository}#{number}"
    named = text_at(payload, key)
    return text_at(about, *_IDENTITIES) or (f"{repository}:{named}" if named else text_at(payload, "id"))


def _ref(payload: dict[str, Any]) -> str:
    ref = text_at(payload, "ref")
    # `create` and `delete` name a branch or a tag by its short name, `push` by its full one.
    folder = {"branch": "refs/heads/", "tag": "refs/tags/"}.get(text_at(payload, "ref_type"), "")
    return ref if ref.startswith("refs/") else folder + ref


def _correlation_id(repository: str, payload: dict[str, Any]) -> str:
    if not repository:
        return ""
    for thread in _THREADS:
        number = text_at(object_at(payload, thread), "number")
        if number:
            return f"{repository}#{number}"
    commit = _commit(payload)
    return f"{repository}@{commit}" if commit else ""


def _commit(payload: Mapping[str, Any]) -> str:
    found = [text_at(object_at(payload, key), field) for key, field in _COMMITS]
    commit = next((sha for sha in found if sha), "") or text_at(payload, "sha", "commit_oid", "after")
    # Forty zeros stand for a branch that is gone.
    return commit if commit.strip("0") else ""


def _moments(payload: dict[str, Any], about: dict[str, Any]) -> tuple[object, ...]:
    return (
        payload.get("starred_at"),
        object_at(payload, "head_commit").get("timestamp"),
        *(about.get(name) for name in _MOMENTS),
        *(payload.get(name) for name in _MOMENTS),
        object_at(payload, "repository").get("pushed_at"),
        object_at(payload, "repository").get("updated_at"),
    )
