-- What billing was asked to do, what people were told, what is known of downstream systems; and indexes for every list that can
-- be asked for. Read 0001 first.

-- When the last applied record was written to the log.
ALTER TABLE positions ADD COLUMN applied_at BIGINT;

-- How far the log went when the service last looked: what a position is behind. Not made from events.
CREATE TABLE log_ends (
    topic        TEXT   NOT NULL,
    partition_id BIGINT NOT NULL,
    end_offset   BIGINT NOT NULL,
    seen_at      BIGINT NOT NULL,
    PRIMARY KEY (topic, partition_id)
);

-- How far the history of ended orders is deleted: up to the end of this order, by time and key. At most one row.
CREATE TABLE pruned (
    id        BIGINT NOT NULL PRIMARY KEY,
    ended_at  BIGINT NOT NULL,
    order_key TEXT   NOT NULL
);

CREATE TABLE billing_intents (
    id                  TEXT   NOT NULL PRIMARY KEY, -- partition-offset
    order_key           TEXT   NOT NULL,
    item_id             TEXT   NOT NULL,
    product             TEXT,
    action              TEXT   NOT NULL,
    billing_account     TEXT,
    offering            TEXT,
    prices              TEXT   NOT NULL, -- JSON
    quantity            BIGINT NOT NULL,
    billing_effective   BIGINT NOT NULL,
    commercial_evidence TEXT   NOT NULL,
    at                  BIGINT NOT NULL,
    correlation_id      TEXT   NOT NULL,
    causation_id        TEXT   NOT NULL
);
CREATE INDEX billing_intents_by_at ON billing_intents (at, id);
CREATE INDEX billing_intents_by_order ON billing_intents (order_key, at, id);
CREATE INDEX billing_intents_by_account ON billing_intents (billing_account, at, id);
CREATE INDEX billing_intents_by_offering ON billing_intents (offering, at, id);
CREATE INDEX billing_intents_by_action ON billing_intents (action, at, id);

CREATE TABLE notifications (
    id             TEXT   NOT NULL PRIMARY KEY, -- partition-offset
    order_key      TEXT   NOT NULL,
    audience       TEXT   NOT NULL,
    shown_state    TEXT   NOT NULL,
    message        TEXT   NOT NULL,
    at             BIGINT NOT NULL,
    correlation_id TEXT   NOT NULL,
    causation_id   TEXT   NOT NULL
);
CREATE INDEX notifications_by_at ON notifications (at, id);
CREATE INDEX notifications_by_order ON notifications (order_key, at, id);
CREATE INDEX notifications_by_audience ON notifications (audience, at, id);

CREATE TABLE downstream_health (
    system     TEXT    NOT NULL PRIMARY KEY,
    circuit    TEXT    NOT NULL,
    watched    BOOLEAN NOT NULL,
    changed_at BIGINT  NOT NULL,
    reason     TEXT    NOT NULL,
    waiting    BIGINT  NOT NULL
);

-- Every filter finds its rows in the sequence of the list.
DROP INDEX orders_by_stuck_since;
DROP INDEX orders_by_external_id;
CREATE INDEX orders_by_external_id ON orders (external_id, captured_at, key);
CREATE INDEX orders_stuck ON orders (captured_at, key) WHERE stuck = TRUE;
CREATE INDEX orders_in_fallout ON orders (captured_at, key) WHERE open_cases > 0;
CREATE INDEX orders_open_by_catalog ON orders (catalog_version) WHERE ended_at IS NULL;
CREATE INDEX orders_by_catalog ON orders (catalog_version, captured_at, key);

DROP INDEX cases_by_order;
DROP INDEX cases_by_class;
CREATE INDEX cases_by_order ON cases (order_key, detected_at, id);
CREATE INDEX cases_by_severity ON cases (severity, detected_at, id);
CREATE INDEX cases_by_domain ON cases (domain, detected_at, id);
CREATE INDEX cases_by_recoverability ON cases (recoverability, detected_at, id);
CREATE INDEX cases_by_normalized_code ON cases (normalized_code, detected_at, id);
CREATE INDEX cases_by_owner_group ON cases (owner_group, detected_at, id);
CREATE INDEX cases_by_failure_system ON cases (failure_system, detected_at, id);

DROP INDEX products_by_customer;
DROP INDEX products_by_order;
CREATE INDEX products_by_state ON products (state, changed_at, id);
CREATE INDEX products_by_customer ON products (customer, changed_at, id);
CREATE INDEX products_by_offering ON products (offering, changed_at, id);
CREATE INDEX products_by_order ON products (order_key, changed_at, id);
