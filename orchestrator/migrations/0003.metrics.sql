-- depends: 0002.dead-letters

-- Which minutes' counts are in the history: each window of a minute (its id tells two of the same minute apart, as after
-- a clock that was set back) once. Written in the transaction that writes its rows.
CREATE TABLE metric_folds (
    minute     bigint NOT NULL,
    window_id  text NOT NULL,
    folded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (minute, window_id)
);
CREATE INDEX metric_folds_folded_at ON metric_folds (folded_at);

-- What is counted: `field` is its field in Redis, a JSON array; `labels` what follows the kind in it, with U+FFFD for
-- what a text of PostgreSQL cannot hold. A field may be longer than an index takes: it is found by its SHA-256.
CREATE TABLE metric_series (
    id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest  bytea NOT NULL UNIQUE,
    field   text NOT NULL,
    kind    text NOT NULL CHECK (kind IN ('outcome', 'event', 'error', 'call', 'wait')),
    labels  text[] NOT NULL,
    seen_on date NOT NULL
);
CREATE INDEX metric_series_seen_on ON metric_series (seen_on);

-- The sums of each minute, hour and day, as Redis has them: `value` is a count, or of durations "count micros least most"
-- and then of each bucket that is not empty its index and its count, which is in (2^((index-1)/8), 2^(index/8)] seconds.
-- A text is a third of an array's size, and is copied as it comes. No foreign key: it would cost more than all the rest.
-- Each tier is a table of its own: together, PostgreSQL takes any time for one of all tiers, and reads all of them for it.
CREATE TABLE metric_rollups (
    tier       text NOT NULL,
    starts_at  timestamptz NOT NULL,
    series_id  integer NOT NULL,
    value      text NOT NULL,
    PRIMARY KEY (tier, starts_at, series_id)
) PARTITION BY LIST (tier);
CREATE TABLE metric_rollups_minute PARTITION OF metric_rollups FOR VALUES IN ('minute');
CREATE TABLE metric_rollups_hour PARTITION OF metric_rollups FOR VALUES IN ('hour');
CREATE TABLE metric_rollups_day PARTITION OF metric_rollups FOR VALUES IN ('day');

-- For people and for Grafana: what is in the history, by name. Lengths of time are in microseconds.
CREATE VIEW metric_history AS
    SELECT r.tier, r.starts_at, s.kind, s.labels,
           split_part(r.value, ' ', 1)::numeric AS count,
           nullif(split_part(r.value, ' ', 2), '')::numeric AS micros,
           nullif(split_part(r.value, ' ', 3), '')::numeric AS least_micros,
           nullif(split_part(r.value, ' ', 4), '')::numeric AS most_micros,
           CASE WHEN s.kind IN ('call', 'wait')
                THEN (string_to_array(r.value, ' '))[5:]::bigint[] END AS buckets
    FROM metric_rollups r JOIN metric_series s ON s.id = r.series_id;
