-- depends: 0001.hooks-and-models

-- A task that has failed for good: one row, whatever becomes of its replays. The columns up to `topic` are the letter's
-- own, those of its latest death: they can be rebuilt from Kafka at any time. `state` and what follows live here alone.
CREATE TABLE dead_letters (
    id               text PRIMARY KEY,
    task_id          text NOT NULL,
    task             text NOT NULL,
    queue            text NOT NULL,
    correlation_id   text NOT NULL,
    reason           text NOT NULL,
    exception        text NOT NULL,
    message          text NOT NULL,
    fingerprint      text NOT NULL,
    worker           text NOT NULL,
    attempts         integer NOT NULL,
    replays          integer NOT NULL,
    first_failed_at  timestamptz NOT NULL,
    died_at          timestamptz NOT NULL,
    is_foreign       boolean NOT NULL,
    topic            text,
    state            text NOT NULL DEFAULT 'open'
                     CHECK (state IN ('open', 'replaying', 'resolved', 'parked', 'archived')),
    state_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The number of the latest replay, and its place among those that were enqueued together.
    replay           integer NOT NULL DEFAULT 0,
    batch_id         uuid,
    batch_position   integer
);
-- Letters are found by one column in each state, the newest first. There is no index by died_at alone: it would be
-- taken for states and values that none of the newest letters has, and then read to its end.
CREATE INDEX dead_letters_state ON dead_letters (state, died_at);
CREATE INDEX dead_letters_open_since ON dead_letters (first_failed_at) WHERE state = 'open';
CREATE INDEX dead_letters_queue ON dead_letters (queue, state, died_at);
CREATE INDEX dead_letters_task ON dead_letters (task, state, died_at);
CREATE INDEX dead_letters_reason ON dead_letters (reason, state, died_at);
CREATE INDEX dead_letters_exception ON dead_letters (exception, state, died_at);
CREATE INDEX dead_letters_fingerprint ON dead_letters (fingerprint, state, died_at);
CREATE INDEX dead_letters_correlation_id ON dead_letters (correlation_id, state, died_at);
CREATE INDEX dead_letters_task_id ON dead_letters (task_id);
CREATE INDEX dead_letters_batch_id ON dead_letters (batch_id, batch_position) WHERE batch_id IS NOT NULL;
CREATE INDEX dead_letters_words ON dead_letters USING gin (to_tsvector('simple', message));

-- Each time that it died: the first time, and after each replay in vain. `headers` and `properties` are json, not
-- jsonb, which refuses some escapes. The value of a 'reference' is in dead_letter_values. Only of what another program
-- has written `record_key` is kept, and a `value` may be missing.
CREATE TABLE dead_letter_deaths (
    id                text PRIMARY KEY,
    letter_id         text NOT NULL REFERENCES dead_letters ON DELETE CASCADE,
    replay            integer NOT NULL,
    queue             text NOT NULL,
    reason            text NOT NULL,
    exception         text NOT NULL,
    message           text NOT NULL,
    traceback         text NOT NULL,
    worker            text NOT NULL,
    attempts          integer NOT NULL,
    deliveries        integer NOT NULL,
    first_failed_at   timestamptz NOT NULL,
    died_at           timestamptz NOT NULL,
    headers           json NOT NULL,
    properties        json NOT NULL,
    content_type      text NOT NULL,
    content_encoding  text NOT NULL,
    value             bytea,
    value_is          text NOT NULL CHECK (value_is IN ('body', 'envelope', 'reference')),
    topic             text,
    partition         integer,
    record_offset     bigint,
    record_key        bytea
);
CREATE INDEX dead_letter_deaths_letter_id ON dead_letter_deaths (letter_id, replay);

-- Whole messages that are larger than a record may be, by the death's id. Written before the record.
CREATE TABLE dead_letter_values (
    id         text PRIMARY KEY,
    value      bytea NOT NULL,
    stored_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- How far each partition has been indexed: written in the transaction that writes its letters.
CREATE TABLE dead_letter_offsets (
    topic        text NOT NULL,
    partition    integer NOT NULL,
    next_offset  bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- Closed letters that the index has forgotten before Kafka has: their records must not open them anew.
CREATE TABLE dead_letter_tombstones (
    id         text PRIMARY KEY,
    closed_at  timestamptz NOT NULL
);
CREATE INDEX dead_letter_tombstones_closed_at ON dead_letter_tombstones (closed_at);

-- Who did what, when, why, to how many. `finished_at` is empty while it is under way, or after a kill.
CREATE TABLE dead_letter_operations (
    id           uuid PRIMARY KEY,
    action       text NOT NULL,
    who          text NOT NULL,
    why          text NOT NULL,
    filter       json NOT NULL,
    options      json NOT NULL,
    letters      integer NOT NULL DEFAULT 0,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz
);
CREATE INDEX dead_letter_operations_started_at ON dead_letter_operations (started_at);

-- What became of each letter.
CREATE TABLE dead_letter_history (
    position      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    letter_id     text NOT NULL REFERENCES dead_letters ON DELETE CASCADE,
    event         text NOT NULL,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    operation_id  uuid,
    detail        text NOT NULL DEFAULT ''
);
CREATE INDEX dead_letter_history_letter_id ON dead_letter_history (letter_id, position);
CREATE INDEX dead_letter_history_operation_id ON dead_letter_history (operation_id) WHERE operation_id IS NOT NULL;

-- Letters that are enqueued together, once: `enqueued_at` is written after Redis has them.
CREATE TABLE replay_batches (
    id            uuid PRIMARY KEY,
    operation_id  uuid NOT NULL,
    letters       integer NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    enqueued_at   timestamptz
);
CREATE INDEX replay_batches_unconfirmed ON replay_batches (created_at) WHERE enqueued_at IS NULL;
CREATE INDEX replay_batches_operation_id ON replay_batches (operation_id);

-- Outbox entries that Kafka could not take while Redis had no room for them, or that it refuses. A row is deleted
-- after Kafka has it.
CREATE TABLE outbox_overflow (
    position  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id  text NOT NULL UNIQUE,
    topic     text NOT NULL,
    fields    json NOT NULL,
    raw       bytea NOT NULL,
    error     text NOT NULL DEFAULT '',
    attempts  integer NOT NULL DEFAULT 0,
    due_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    moved_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outbox_overflow_due_at ON outbox_overflow (due_at);
