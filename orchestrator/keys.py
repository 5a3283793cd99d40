"""Every Redis key: one function each, with its type, its writer and its time to live.

Keys carry the version of their content's schema: what cannot be read by an older release gets a new number.
`prefix` is the broker's `global_keyprefix`.
"""

SCHEMA = 1
_PREFIX = f"omninode:{SCHEMA}"

DAY_SECONDS = 86_400


def health() -> str:
    """Hash, check → its last result as JSON. Written whole by `omninode.health.check`; lives for a day."""
    return f"{_PREFIX}:health"


def beat() -> str:
    """String, JSON: what beat last said of itself. Written by beat whenever it sends; lives for a day."""
    return f"{_PREFIX}:beat"


def schema(prefix: str = "") -> str:
    """String: the newest schema of the keys below. Written by workers as they start; for ever."""
    return f"{prefix}omninode:schema"


def claims(prefix: str = "") -> str:
    """Hash, claim id → list and message. In flight: written by a claim, removed by its settlement."""
    return f"{prefix}{_PREFIX}:claims"


def leases(prefix: str = "") -> str:
    """Sorted set, claim id → when it may be returned, in ms of Redis's clock. Renewed by living workers."""
    return f"{prefix}{_PREFIX}:leases"


def started(prefix: str = "") -> str:
    """Set of claim ids whose task has begun: what then ends without a settlement counts as a delivery."""
    return f"{prefix}{_PREFIX}:started"


def holder(nonce: str, prefix: str = "") -> str:
    """String: the name of the worker whose claims' ids begin with `nonce`. By its lease thread; for a day."""
    return f"{prefix}{_PREFIX}:holder:{nonce}"


def workers(prefix: str = "") -> str:
    """Hash, worker's node → JSON: what it serves, and when it said so. By its lease thread; for a day."""
    return f"{prefix}{_PREFIX}:workers"


def found_lists(prefix: str = "") -> str:
    """Sorted set, list of messages of no known queue → when it was found. By who looks; for a day."""
    return f"{prefix}{_PREFIX}:found-lists"


def finding(prefix: str = "") -> str:
    """Hash: how far all keys were looked through for such lists, and when that began. For a day."""
    return f"{prefix}{_PREFIX}:finding"


def delayed(prefix: str = "") -> str:
    """Sorted set, delay id → when it is due, in ms of Redis's clock. Written by producers and put-backs."""
    return f"{prefix}{_PREFIX}:delayed"


def delayed_messages(prefix: str = "") -> str:
    """Hash, delay id → list and message. Written after `delayed`, removed before it."""
    return f"{prefix}{_PREFIX}:delayed:messages"


def deliveries(prefix: str = "") -> str:
    """Hash, SHA-1 of a message → its begun deliveries that ended unsettled. A week after the last one."""
    return f"{prefix}{_PREFIX}:deliveries"


def outbox(prefix: str = "") -> str:
    """Stream of dead letters on their way out. Written by settlements; an entry lives until relayed."""
    return f"{prefix}omninode:outbox"


def letter_topics(prefix: str = "") -> str:
    """Set of dead-letter topics with a suffix of their own. Written with a client's letters; for ever."""
    return f"{prefix}{_PREFIX}:letter-topics"


def outcomes(prefix: str = "") -> str:
    """Stream of what became of replays. Written by settlements; an entry lives until it is in PostgreSQL."""
    return f"{prefix}{_PREFIX}:outcomes"


def relays(prefix: str = "") -> str:
    """Sorted set, relay → when it was last heard, in Unix seconds. Written by relays; pruned after a day."""
    return f"{prefix}{_PREFIX}:relays"


def relay_states(prefix: str = "") -> str:
    """Hash, relay → what it last said of itself, as JSON. Written and removed with `relays`."""
    return f"{prefix}{_PREFIX}:relays:states"


def alerts(prefix: str = "") -> str:
    """Hash, alert → its record as JSON, while it is raised. Written by relays and by looks at health."""
    return f"{prefix}{_PREFIX}:alerts"


def alert_history(prefix: str = "") -> str:
    """Stream of what became of alerts and silences, written with them; about 10,000 entries."""
    return f"{prefix}{_PREFIX}:alerts:history"


def silences(prefix: str = "") -> str:
    """Hash, pattern of alerts' names → the silence as JSON. By hand; removed when its time is over."""
    return f"{prefix}{_PREFIX}:alerts:silences"


def alert_looks(prefix: str = "") -> str:
    """String, JSON: when a look last counted, and what is found but not raised yet. By looks; for a day."""
    return f"{prefix}{_PREFIX}:alerts:looks"


def alert_look(prefix: str = "") -> str:
    """String: who looks at health now, and so raises and clears alerts. By it; as long as a look may last."""
    return f"{prefix}{_PREFIX}:alerts:look"


def alert_delivery(destination: str, prefix: str = "") -> str:
    """Hash: how far a destination has heard the history of alerts, and what it believes. For 30 days."""
    return f"{prefix}{_PREFIX}:alerts:delivery:{destination}"


def alert_delivery_turn(destination: str, prefix: str = "") -> str:
    """String: who delivers to it now. Written by it; for as long as a round may take."""
    return f"{prefix}{_PREFIX}:alerts:delivering:{destination}"


def alerting(prefix: str = "") -> str:
    """String: the relay that raises and clears alerts. Written by it; lives for fifteen seconds."""
    return f"{prefix}{_PREFIX}:alerting"


def sought(prefix: str = "") -> str:
    """String: replays that are nowhere were looked for lately. Written by who looks; for ten minutes."""
    return f"{prefix}{_PREFIX}:sought"


def changes(prefix: str = "") -> str:
    """Counter: raised when idle workers must look again (an earlier due time, a resumed queue)."""
    return f"{prefix}{_PREFIX}:changes"


def sweep(prefix: str = "") -> str:
    """Hash, list without workers → how far it was swept, from the end that is claimed next. For a day."""
    return f"{prefix}{_PREFIX}:sweep"


def paused(prefix: str = "") -> str:
    """Set of queues that nobody claims from. Written by `omninode queues pause` and `resume`."""
    return f"{prefix}{_PREFIX}:paused"


def revoked(prefix: str = "") -> str:
    """Sorted set, task id → when it was revoked, in Unix seconds. Written by whoever revokes; for 31 days."""
    return f"{prefix}{_PREFIX}:revoked"


def pulse(prefix: str = "") -> str:
    """String: when a worker was last heard, in ms of Redis's clock. Written by exchanges and renewals."""
    return f"{prefix}{_PREFIX}:pulse"


def quiet(prefix: str = "") -> str:
    """String: while it is there, no expired lease is returned. One lease long, after nobody was heard."""
    return f"{prefix}{_PREFIX}:quiet"


def sentries(group: str, prefix: str = "") -> str:
    """Sorted set, worker → until when it watches the lists of this group. Written by exchanges."""
    return f"{prefix}{_PREFIX}:sentries:{group}"


def reserves(group: str, prefix: str = "") -> str:
    """Sorted set, worker → until when it waits to be woken. `<key>:<worker>`, a minute long, wakes it."""
    return f"{prefix}{_PREFIX}:reserves:{group}"


def batch(identity: str, prefix: str = "") -> str:
    """String: how many rows of a chunk were pushed, and their digest. Written with them; for days."""
    return f"{prefix}{_PREFIX}:batch:{identity}"


def breaker(name: str, prefix: str = "") -> str:
    """Hash, a breaker's state: its scripts' `breaker/scripts/state.lua` names the fields. For 30 days."""
    return f"{prefix}{_PREFIX}:breaker:{name}"


def breaker_probes(name: str, prefix: str = "") -> str:
    """Sorted set, token → when the probe's lease ends, in ms of Redis's clock. By the breaker's scripts."""
    return f"{prefix}{_PREFIX}:breaker-probes:{name}"


def breaker_window(name: str, prefix: str = "") -> str:
    """Hash, tenth of a window and kind → calls of the fleet. By reports; for two windows and a minute."""
    return f"{prefix}{_PREFIX}:breaker-window:{name}"


def breakers(prefix: str = "") -> str:
    """Sorted set, breaker → when a process registered it last, in Unix seconds; at most 10,000."""
    return f"{prefix}{_PREFIX}:breakers"


def breaker_history(prefix: str = "") -> str:
    """Stream of all breakers' transitions, written by the scripts that make them; about 10,000 entries."""
    return f"{prefix}{_PREFIX}:breakers:history"


def breaker_channel(prefix: str = "") -> str:
    """Channel of all transitions, each with the whole state; `@` and the number of the database follow."""
    return f"{prefix}{_PREFIX}:breakers:transitions"


def breakers_announced(prefix: str = "") -> str:
    """String: the last entry of `breaker_history` that a worker has sent as an event; for two minutes."""
    return f"{prefix}{_PREFIX}:breakers:announced"


def aside(breaker: str, prefix: str = "") -> str:
    """Sorted set, aside id → when its wait for this breaker ends, in ms. Written by settlements."""
    return f"{prefix}{_PREFIX}:aside:{breaker}"


def aside_messages(prefix: str = "") -> str:
    """Hash, aside id → list and message, of all breakers. Written after `aside`, removed before it."""
    return f"{prefix}{_PREFIX}:aside-messages"


def asides(prefix: str = "") -> str:
    """Set of the breakers that messages wait for. Written by settlements, emptied by the mover."""
    return f"{prefix}{_PREFIX}:asides"


def retry_budget(dependency: str, prefix: str = "") -> str:
    """Hash, kind and ten seconds → first attempts and retries of the fleet. By workers; for 15 minutes."""
    return f"{prefix}{_PREFIX}:retry-budget:{dependency}"


def retry_odds(task: str, prefix: str = "") -> str:
    """Hash, error class, attempt and outcome → how many retries paid. Written by workers; for 30 days."""
    return f"{prefix}{_PREFIX}:retry-odds:{task}"


def running(process: str, prefix: str = "") -> str:
    """String, JSON: what runs in this process. Written by it once a second while something does; for 6 s."""
    return f"{prefix}{_PREFIX}:running:{process}"


def running_processes(prefix: str = "") -> str:
    """Sorted set, process → when it last wrote `running`, in its own Unix seconds. For a day after that."""
    return f"{prefix}{_PREFIX}:running"


def metrics(name: str, prefix: str = "") -> str:
    """What is counted for the fleet, by these names; its scripts put them after `metrics("")`.

    `totals`: hash, field (`orchestrator.tally.fields`) → count or durations since the beginning; for ever.
    `minute:<minute>`: the same of one minute of Unix time; for a day. `minutes`: sorted set of these minutes.
    Written by settlements and by processes that record.

    `window:<minute>:<id>`: a minute that is over; `windows`: sorted set of those that wait for PostgreSQL,
    and `folded` of those that it has, which are read for twenty minutes more. `kept`: hash, the sums of all
    that is in PostgreSQL and not older than the retention; for ever. `folding`: the token of who folds, while
    it does. `waiting-told`: that PostgreSQL is away has been logged; for two days. Written by who folds.

    `verdict`: string, when and JSON: what the last look at the fleet has found. Written by who looks; for
    three intervals.
    """
    return f"{prefix}{_PREFIX}:metrics:{name}"
