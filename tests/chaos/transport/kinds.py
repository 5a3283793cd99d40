"""The kinds of message, and how each may end."""

from dataclasses import dataclass

from orchestrator import errors
from tests.chaos.transport.conditions import MAX_DELIVERIES

SUCCESS = "success"
# Settled without a word, as `Ignore` asks for.
QUIET = "quiet"
REVOKED = "revoked"
# A chord's body that is told of a failure is no message: its result says so, and no letter.
FAILED = "failed"

# More attempts than a run takes away by killing processes.
PLENTY = 20
ANYWHERE = "abc"
# Only processes of prefork pools serve this queue: limits and the death of a child mean nothing to threads.
PREFORK = "a"


def letter(reason: str) -> str:
    """The end as a dead letter with this reason."""
    return f"letter {reason}"


@dataclass(frozen=True)
class Kind:
    """How often it is drawn, where it is sent, its right ends, and its counts where no fault strikes."""

    name: str
    weight: int
    ends: frozenset[str]
    queues: str = ANYWHERE
    seconds: tuple[float, float] = (0.0, 0.3)
    countdown: tuple[float, float] | None = None
    max_retries: int = PLENTY
    why_not_stock: str = ""
    starts: int = 1
    finishes: int = 1


def _kind(name: str, weight: int, *ends: str, **more: object) -> Kind:
    return Kind(name, weight, frozenset(ends), **more)  # type: ignore[arg-type]


_HAS_WAIT = hasattr(errors, "Wait")
_OWN = "OmniNode's own"

KINDS = (
    _kind("ok", 14, SUCCESS),
    _kind("slow", 4, SUCCESS, seconds=(0.3, 1.0)),
    _kind("longer_than_a_lease", 1, SUCCESS, seconds=(4.5, 4.5)),
    _kind("exception", 4, letter("exception"), finishes=0),
    _kind("retry_at_once", 4, SUCCESS, starts=3),
    _kind("retry_later", 3, SUCCESS, starts=3),
    _kind("autoretry", 3, SUCCESS, starts=2),
    _kind("heals", 2, SUCCESS, why_not_stock=_OWN, starts=2),
    _kind("retries_exhausted", 3, letter("retries_exhausted"), max_retries=2, starts=3, finishes=0),
    # The call's own limit is not known where the letter is written: its last exception is told either way.
    _kind("call_exhausted", 1, letter("retries_exhausted"), letter("exception"), starts=2, finishes=0),
    _kind("soft_limit", 2, letter("soft_timeout"), queues=PREFORK, finishes=0),
    _kind("hard_limit", 2, letter("hard_timeout"), queues=PREFORK, finishes=0),
    _kind("exit_once", 2, SUCCESS, queues=PREFORK, starts=2),
    _kind("exit_always", 1, letter("worker_lost"), queues=PREFORK, max_retries=2, starts=3, finishes=0),
    _kind("sys_exit", 1, letter("worker_lost"), queues=PREFORK, max_retries=2, starts=3, finishes=0),
    _kind("memory_error", 2, letter("exception"), why_not_stock="it ends every stock worker", finishes=0),
    _kind("base_exception", 2, letter("exception"), finishes=0),
    _kind("reject", 2, letter("rejected"), finishes=0),
    _kind("reject_requeue", 2, SUCCESS, starts=3),
    _kind("ignore", 2, QUIET, finishes=0),
    _kind("expired", 2, letter("expired"), starts=0, finishes=0),
    _kind("revoked", 1, REVOKED, SUCCESS, countdown=(1.5, 2.5)),
    _kind("unknown_task", 2, letter("unknown_task"), starts=0, finishes=0),
    _kind("wrong_arguments", 1, letter("exception"), letter("invalid"), starts=0, finishes=0),
    _kind("unserializable", 1, letter("unserializable_result")),
    _kind("undecodable", 2, letter("undecodable"), starts=0, finishes=0),
    _kind(
        "bad_envelope",
        2,
        letter("bad_envelope"),
        letter("undecodable"),
        why_not_stock="it ends workers",
        starts=0,
        finishes=0,
    ),
    _kind(
        "no_id",
        2,
        letter("invalid"),
        letter("bad_envelope"),
        why_not_stock="it stalls stock workers",
        starts=0,
        finishes=0,
    ),
    _kind("eta", 4, SUCCESS, countdown=(0.3, 3.0)),
    _kind("wait", 3 if _HAS_WAIT else 0, SUCCESS, why_not_stock=_OWN, starts=3),
    _kind("chord", 2, SUCCESS),
    _kind("chord_failing", 1, FAILED, starts=0, finishes=0),
    _kind("chord_killed", 1, FAILED, starts=0, finishes=0),
    _kind("chord_ignoring", 1, SUCCESS, FAILED),
    _kind("chain", 2, SUCCESS),
    # Added by hand: a message that ends every worker that runs it.
    _kind(
        "kills_worker",
        0,
        letter("too_many_deliveries"),
        queues=PREFORK,
        why_not_stock="it kills for ever",
        starts=MAX_DELIVERIES,
        finishes=0,
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def left_out_of_stock() -> dict[str, str]:
    """The kinds that a run against stock Celery is spared, and why."""
    return {kind.name: kind.why_not_stock for kind in KINDS if kind.why_not_stock}
