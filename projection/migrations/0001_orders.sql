-- Portable SQL only (SQLite and PostgreSQL). Times are UTC milliseconds; states are their camelCase names; what a
-- comment calls JSON is JSON text. Foreign keys are left out: the log is the truth, and rows are rebuilt from it.

-- The first record that is not applied yet, written in the same transaction as what the ones before it made.
CREATE TABLE positions (
    topic        TEXT   NOT NULL,
    partition_id BIGINT NOT NULL,
    next_offset  BIGINT NOT NULL,
    PRIMARY KEY (topic, partition_id)
);

CREATE TABLE orders (
    key                  TEXT    NOT NULL PRIMARY KEY,
    state                TEXT    NOT NULL,
    shown_state          TEXT    NOT NULL, -- as TMF622 has it
    order_version        BIGINT  NOT NULL,
    catalog_version      TEXT    NOT NULL,
    requester            TEXT    NOT NULL,
    external_id          TEXT,
    contract             TEXT    NOT NULL,
    priority             BIGINT  NOT NULL,
    category             TEXT,
    captured_at          BIGINT  NOT NULL,
    updated_at           BIGINT  NOT NULL,
    ended_at             BIGINT,
    requested_completion BIGINT,
    submission           BIGINT  NOT NULL, -- the one in force
    submissions          BIGINT  NOT NULL, -- how many came
    request_id           TEXT    NOT NULL,
    waiting_for          TEXT,
    next_due             BIGINT,
    stuck                BOOLEAN NOT NULL,
    stuck_since          BIGINT,
    open_cases           BIGINT  NOT NULL,
    cases                BIGINT  NOT NULL,
    item_count           BIGINT  NOT NULL,
    items_completed      BIGINT  NOT NULL,
    task_count           BIGINT  NOT NULL,
    tasks_done           BIGINT  NOT NULL,
    last_sequence        BIGINT  NOT NULL
);
CREATE INDEX orders_by_captured_at ON orders (captured_at, key);
CREATE INDEX orders_by_updated_at ON orders (updated_at, key);
CREATE INDEX orders_by_priority ON orders (priority, key);
CREATE INDEX orders_by_state ON orders (state, captured_at, key);
CREATE INDEX orders_by_requester ON orders (requester, captured_at, key);
CREATE INDEX orders_by_external_id ON orders (external_id);
CREATE INDEX orders_by_ended_at ON orders (ended_at, key);
CREATE INDEX orders_by_stuck_since ON orders (stuck_since);

-- Every request under an order's key that was not a repeated one, with what became of it.
CREATE TABLE submissions (
    order_key       TEXT   NOT NULL,
    submission      BIGINT NOT NULL,
    request_id      TEXT   NOT NULL,
    outcome         TEXT   NOT NULL,
    received_at     BIGINT NOT NULL,
    decided_at      BIGINT,
    contract        TEXT,
    catalog_version TEXT,
    evidence        TEXT   NOT NULL, -- JSON
    reasons         TEXT   NOT NULL, -- JSON
    snapshot        TEXT   NOT NULL, -- JSON: the order as submitted; as validated once it is
    PRIMARY KEY (order_key, submission)
);

CREATE TABLE items (
    order_key       TEXT    NOT NULL,
    item_id         TEXT    NOT NULL,
    position        BIGINT  NOT NULL,
    state           TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    quantity        BIGINT  NOT NULL,
    offering        TEXT,
    offering_name   TEXT,
    specification   TEXT,
    product         TEXT,
    products        TEXT    NOT NULL, -- JSON
    parent          TEXT,
    requires        TEXT    NOT NULL, -- JSON
    optional        BOOLEAN NOT NULL,
    billable        BOOLEAN NOT NULL,
    characteristics TEXT    NOT NULL, -- JSON
    milestones      TEXT    NOT NULL, -- JSON
    reason          TEXT,
    updated_at      BIGINT  NOT NULL,
    PRIMARY KEY (order_key, item_id)
);
CREATE INDEX items_by_offering ON items (offering, order_key);

CREATE TABLE service_orders (
    id              TEXT   NOT NULL PRIMARY KEY,
    order_key       TEXT   NOT NULL,
    item_id         TEXT   NOT NULL,
    kind            TEXT   NOT NULL,
    specification   TEXT   NOT NULL,
    parent          TEXT,
    characteristics TEXT   NOT NULL, -- JSON
    state           TEXT   NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX service_orders_by_order ON service_orders (order_key);

CREATE TABLE tasks (
    id            TEXT    NOT NULL PRIMARY KEY,
    order_key     TEXT    NOT NULL,
    item_id       TEXT    NOT NULL,
    position      BIGINT  NOT NULL, -- no task stands before one that it waits for
    component     TEXT    NOT NULL,
    task_type     TEXT    NOT NULL,
    system        TEXT    NOT NULL,
    service_order TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    predecessors  TEXT    NOT NULL, -- JSON
    inputs        TEXT    NOT NULL, -- JSON
    milestone     TEXT,
    product       TEXT,
    state         TEXT    NOT NULL,
    mode          TEXT    NOT NULL,
    in_fallout    BOOLEAN NOT NULL,
    attempt       BIGINT  NOT NULL,
    command_id    TEXT,
    commands_sent BIGINT  NOT NULL,
    retries       BIGINT  NOT NULL,
    failure       TEXT    NOT NULL, -- JSON, null where there was none
    reason        TEXT,
    outputs       TEXT    NOT NULL, -- JSON
    next_due      BIGINT,
    started_at    BIGINT,
    finished_at   BIGINT,
    updated_at    BIGINT  NOT NULL
);
CREATE INDEX tasks_by_order ON tasks (order_key, position);
CREATE INDEX tasks_by_command ON tasks (command_id);

-- One row per event; the sequence is its offset, since all events of an order lie on one partition.
CREATE TABLE history (
    order_key      TEXT   NOT NULL,
    sequence       BIGINT NOT NULL,
    at             BIGINT NOT NULL,
    name           TEXT   NOT NULL,
    summary        TEXT   NOT NULL,
    correlation_id TEXT   NOT NULL,
    causation_id   TEXT   NOT NULL,
    actor          TEXT   NOT NULL,
    details        TEXT   NOT NULL, -- JSON
    PRIMARY KEY (order_key, sequence)
);

CREATE TABLE cases (
    id               TEXT    NOT NULL PRIMARY KEY,
    order_key        TEXT    NOT NULL,
    item_id          TEXT,
    task_id          TEXT,
    detection        TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    is_open          BOOLEAN NOT NULL,
    severity         TEXT    NOT NULL,
    domain           TEXT    NOT NULL,
    recoverability   TEXT    NOT NULL,
    normalized_code  TEXT    NOT NULL,
    owner_group      TEXT    NOT NULL,
    action           TEXT    NOT NULL,
    customer_impact  BOOLEAN NOT NULL,
    revenue_impact   BOOLEAN NOT NULL,
    customer_message TEXT,
    failure_system   TEXT    NOT NULL,
    failure_code     TEXT    NOT NULL,
    failure_message  TEXT    NOT NULL,
    failure_at       BIGINT  NOT NULL,
    offering         TEXT,
    catalog_version  TEXT,
    escalated        BOOLEAN NOT NULL,
    assignee         TEXT,
    detected_at      BIGINT  NOT NULL,
    touched_at       BIGINT  NOT NULL,
    sla_due          BIGINT,
    resolved_at      BIGINT,
    resolution       TEXT,
    reopened         BIGINT  NOT NULL,
    filed            BIGINT  NOT NULL -- how often it was classified
);
CREATE INDEX cases_by_order ON cases (order_key);
CREATE INDEX cases_by_detected_at ON cases (detected_at, id);
CREATE INDEX cases_by_open ON cases (is_open, detected_at, id);
CREATE INDEX cases_by_class ON cases (is_open, domain, recoverability, normalized_code);

CREATE TABLE products (
    id              TEXT   NOT NULL PRIMARY KEY,
    state           TEXT   NOT NULL,
    version         BIGINT NOT NULL,
    offering        TEXT,
    specification   TEXT,
    catalog_version TEXT,
    characteristics TEXT   NOT NULL, -- JSON
    customer        TEXT,
    order_key       TEXT   NOT NULL,
    item_id         TEXT   NOT NULL,
    started_at      BIGINT,
    terminated_at   BIGINT,
    changed_at      BIGINT NOT NULL
);
CREATE INDEX products_by_changed_at ON products (changed_at, id);
CREATE INDEX products_by_customer ON products (customer, id);
CREATE INDEX products_by_order ON products (order_key, id);

CREATE TABLE product_history (
    product_id     TEXT   NOT NULL,
    sequence       BIGINT NOT NULL,
    at             BIGINT NOT NULL,
    name           TEXT   NOT NULL,
    summary        TEXT   NOT NULL,
    order_key      TEXT   NOT NULL,
    correlation_id TEXT   NOT NULL,
    causation_id   TEXT   NOT NULL,
    details        TEXT   NOT NULL, -- JSON
    PRIMARY KEY (product_id, sequence)
);

-- What is only counted: a name and what it is counted by.
CREATE TABLE counters (
    name   TEXT   NOT NULL,
    label  TEXT   NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (name, label)
);
