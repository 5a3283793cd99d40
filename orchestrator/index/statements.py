"""The SQL with which a batch of deaths becomes letters, deaths and history."""

from psycopg import sql

from orchestrator.index.fitting import DEATH_COLUMNS, LETTER_COLUMNS

_DEATH = sql.SQL(", ").join(map(sql.Identifier, DEATH_COLUMNS))
_INCOMING = sql.SQL(", ").join(map(sql.Identifier, (*DEATH_COLUMNS, *LETTER_COLUMNS)))
# What a letter has of its latest death, but `replays` and `first_failed_at`.
_OWN = (
    *LETTER_COLUMNS,
    "queue",
    "reason",
    "exception",
    "message",
    "worker",
    "attempts",
    "died_at",
    "topic",
)


def _of(alias: str, names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)


def _comparable(alias: str, names: tuple[str, ...]) -> sql.Composed:
    """The columns, those of type json as text: json knows no equality."""
    return sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(alias, name))
        if DEATH_COLUMNS[name] == "json"
        else sql.Identifier(alias, name)
        for name in names
    )


_REWRITABLE = tuple(name for name in DEATH_COLUMNS if name not in {"id", "letter_id"})
_OWN_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, _OWN))

TOMBSTONES = sql.SQL("SELECT id, closed_at FROM dead_letter_tombstones WHERE id = ANY(%(ids)s::text[])")

# For the life of the connection: a table a transaction would fill the catalogue. Two statements in one go.
EMPTY_INCOMING = sql.SQL(
    "CREATE TEMPORARY TABLE IF NOT EXISTS incoming_deaths (LIKE dead_letter_deaths, {letter})"
    " ON COMMIT DELETE ROWS; DELETE FROM incoming_deaths"
).format(
    letter=sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_))
        for name, type_ in LETTER_COLUMNS.items()
    )
)
COPY_INCOMING = sql.SQL("COPY incoming_deaths ({}) FROM STDIN (FORMAT binary)").format(_INCOMING)

# In the order of their ids, in which everybody locks them.
ADD_LETTERS = sql.SQL("""
    INSERT INTO dead_letters (id, {own}, replays, replay, first_failed_at, state)
    SELECT DISTINCT ON (letter_id) letter_id, {own}, replay, replay,
           min(first_failed_at) OVER (PARTITION BY letter_id),
           CASE WHEN replay >= %(max_replays)s THEN 'parked' ELSE 'open' END
    FROM incoming_deaths ORDER BY letter_id, replay DESC, died_at DESC, id DESC
    ON CONFLICT (id) DO NOTHING RETURNING id""").format(own=_OWN_COLUMNS)

LOCK_LETTERS = sql.SQL(
    "SELECT id FROM dead_letters WHERE id = ANY(%(known)s::text[]) ORDER BY id FOR NO KEY UPDATE"
)

ADD_DEATHS = sql.SQL("""
    INSERT INTO dead_letter_deaths ({death}) SELECT {death} FROM incoming_deaths ORDER BY id
    ON CONFLICT (id) DO NOTHING RETURNING id""").format(death=_DEATH)

# Two records tell one death, and belong to different letters: the first one counts.
DROP_EMPTY_LETTERS = sql.SQL("""
    DELETE FROM dead_letters l WHERE id = ANY(%(new_letters)s::text[])
      AND NOT EXISTS (SELECT FROM dead_letter_deaths d WHERE d.letter_id = l.id)""")

# A death on the topic twice is what its first record says; only what differs is written.
REWRITE_DEATHS = sql.SQL("""
    UPDATE dead_letter_deaths d SET ({columns}) = ROW ({incoming})
    FROM incoming_deaths i
    WHERE d.id = i.id AND d.id <> ALL(%(new)s::text[])
      AND (d.record_offset IS NULL
           OR (i.topic, i.partition, i.record_offset) <= (d.topic, d.partition, d.record_offset))
      AND ({shown}) IS DISTINCT FROM ({shown_incoming})""").format(
    columns=sql.SQL(", ").join(map(sql.Identifier, _REWRITABLE)),
    incoming=_of("i", _REWRITABLE),
    shown=_comparable("d", _REWRITABLE),
    shown_incoming=_comparable("i", _REWRITABLE),
)

# The first failure of all of its deaths; the rest from the latest one, where that is among those considered.
UPDATE_LETTERS = sql.SQL("""
    WITH latest AS MATERIALIZED (
        SELECT k.id AS letter_id, d.* FROM unnest(%(known)s::text[]) AS k (id)
        CROSS JOIN LATERAL (
            SELECT d.id, d.topic, d.partition, d.record_offset,
                   min(d.first_failed_at) OVER () AS first_failed_at
            FROM dead_letter_deaths d WHERE d.letter_id = k.id
            ORDER BY d.replay DESC, d.died_at DESC, d.id DESC LIMIT 1
        ) d
    ), w AS MATERIALIZED (
        SELECT f.letter_id, f.first_failed_at, i.replay AS replays, i.id IS NOT NULL AS is_latest, {incoming}
        FROM latest f LEFT JOIN incoming_deaths i
        ON i.id = f.id AND i.id = ANY(%(considered)s::text[])
           AND (i.topic, i.partition, i.record_offset)
               IS NOT DISTINCT FROM (f.topic, f.partition, f.record_offset)
    )
    UPDATE dead_letters l SET ({own}, replays, first_failed_at) = ROW ({changed}, w.first_failed_at)
    FROM w
    WHERE l.id = w.letter_id
      AND ({current}, l.replays, l.first_failed_at)
          IS DISTINCT FROM ({changed}, w.first_failed_at)""").format(
    own=_OWN_COLUMNS,
    incoming=_of("i", _OWN),
    current=_of("l", _OWN),
    changed=sql.SQL(", ").join(
        sql.SQL("CASE WHEN w.is_latest THEN {} ELSE {} END").format(
            sql.Identifier("w", name), sql.Identifier("l", name)
        )
        for name in (*_OWN, "replays")
    ),
)

# Whatever was said of that replay: it has failed. What a person has put away stays away.
REOPEN_LETTERS = sql.SQL("""
    UPDATE dead_letters l
    SET replay = n.replay, batch_id = NULL, batch_position = NULL,
        state = CASE WHEN l.state IN ('parked', 'archived') THEN l.state
                     WHEN n.replay >= %(max_replays)s THEN 'parked' ELSE 'open' END,
        state_at = CASE WHEN l.state IN ('parked', 'archived') THEN l.state_at ELSE clock_timestamp() END
    FROM (
        SELECT letter_id, max(replay) AS replay FROM incoming_deaths
        WHERE replay > 0 AND id = ANY(%(new)s::text[]) GROUP BY letter_id
    ) n
    WHERE l.id = n.letter_id AND l.id = ANY(%(known)s::text[]) AND n.replay >= l.replay""")

ADD_HISTORY = sql.SQL("""
    INSERT INTO dead_letter_history (letter_id, event, at, detail)
    SELECT i.letter_id,
           CASE WHEN i.replay = 0 THEN 'died'
                WHEN l.state = 'parked' THEN 'parked'
                ELSE 'failed again' END,
           i.died_at, concat_ws(': ', nullif(i.reason, ''), nullif(i.exception, ''))
    FROM incoming_deaths i
    LEFT JOIN dead_letters l ON l.id = i.letter_id AND i.replay >= %(max_replays)s
    WHERE i.id = ANY(%(new)s::text[]) ORDER BY i.replay, i.died_at, i.id""")
