-- depends:

CREATE EXTENSION IF NOT EXISTS vector;

-- Every hook that was accepted, once per delivery id. `payload` is json, not jsonb: it keeps NUL and lone
-- surrogates as the escapes they came in, which jsonb refuses.
CREATE TABLE hook_events (
    delivery_id     text PRIMARY KEY,
    source          text NOT NULL,
    event           text NOT NULL,
    action          text NOT NULL,
    resource        text NOT NULL,
    resource_id     text NOT NULL,
    correlation_id  text NOT NULL,
    occurred_at     timestamptz NOT NULL,
    payload         json NOT NULL,
    previous_state  json NOT NULL,
    current_state   json NOT NULL,
    status          text NOT NULL CHECK (status IN ('processed', 'unhandled', 'failed')),
    error           text,
    handlers        text[] NOT NULL DEFAULT '{}',
    duplicates      integer NOT NULL DEFAULT 0,
    enqueued_at     timestamptz,
    settled_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX hook_events_settled_at ON hook_events (settled_at);
CREATE INDEX hook_events_correlation_id ON hook_events (correlation_id);

-- What a handler enqueued, written in the hook's own transaction. A row is deleted once its message is in the
-- broker; `id` becomes the task's id. Until `due_at` the row is left to the process that wrote it; a row that
-- could not be sent steps back, so that it does not hold up the others.
CREATE TABLE staged_tasks (
    id           uuid PRIMARY KEY,
    position     bigint GENERATED ALWAYS AS IDENTITY,
    delivery_id  text NOT NULL,
    task         text NOT NULL,
    args         json NOT NULL,
    kwargs       json NOT NULL,
    options      json NOT NULL,
    staged_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at       timestamptz NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    error        text
);
CREATE INDEX staged_tasks_position ON staged_tasks (position);
CREATE INDEX staged_tasks_delivery_id ON staged_tasks (delivery_id);

-- What is known of each resource that hooks spoke of. The hooks' own time says when it was seen, `stored_at`
-- when we last heard of it: hooks may be much older than their delivery.
CREATE TABLE resources (
    source         text NOT NULL,
    resource       text NOT NULL,
    resource_id    text NOT NULL,
    events         integer NOT NULL DEFAULT 1,
    first_seen_at  timestamptz NOT NULL,
    last_seen_at   timestamptz NOT NULL,
    last_action    text NOT NULL,
    state          json NOT NULL,
    stored_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, resource, resource_id)
);
CREATE INDEX resources_stored_at ON resources (stored_at);

-- Every call of a model, whatever became of it.
CREATE TABLE model_calls (
    id               uuid PRIMARY KEY,
    task_id          text,
    model            text NOT NULL,
    operation        text NOT NULL,
    outcome          text NOT NULL CHECK (outcome IN ('ok', 'transient', 'permanent')),
    error            text,
    latency_seconds  double precision NOT NULL,
    input_tokens     integer,
    output_tokens    integer,
    started_at       timestamptz NOT NULL
);
CREATE INDEX model_calls_started_at ON model_calls (started_at);

-- Texts found in hooks, each version of a text once; the embedding follows when the model has been asked.
CREATE TABLE texts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject         text NOT NULL,
    kind            text NOT NULL,
    content         text NOT NULL,
    content_sha256  bytea NOT NULL,
    delivery_id     text NOT NULL,
    stored_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    model           text,
    model_call_id   uuid,
    embedding       vector,
    label           text,
    label_score     real,
    compared_at     timestamptz,
    UNIQUE (subject, content_sha256)
);
CREATE INDEX texts_stored_at ON texts (stored_at);

-- Pairs of texts about different subjects that say nearly the same; `text_id` is the smaller id.
CREATE TABLE similar_texts (
    text_id   bigint NOT NULL REFERENCES texts ON DELETE CASCADE,
    other_id  bigint NOT NULL REFERENCES texts ON DELETE CASCADE,
    score     real NOT NULL,
    PRIMARY KEY (text_id, other_id),
    CHECK (text_id < other_id)
);
CREATE INDEX similar_texts_other_id ON similar_texts (other_id);
