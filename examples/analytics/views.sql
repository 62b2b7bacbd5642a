-- From the exported event stream to one line per order and offering. An order key's events lie on one partition, so their offsets
-- are their sequence.

CREATE VIEW events AS
SELECT key AS order_key, record AS name, "offset" AS sequence, value,
       epoch_ms(CAST(value ->> '$.cause.at' AS BIGINT)) AS happened_at
FROM exported;

-- Captured at its first submission; ended when its last change of state left nothing to do.
CREATE VIEW orders AS
WITH changes AS (
    SELECT order_key, sequence, happened_at,
           CASE name WHEN 'OrderRejected' THEN 'rejected' ELSE value ->> '$.to' END AS state
    FROM events WHERE name IN ('OrderStateChanged', 'OrderRejected')
)
SELECT captured.order_key, captured.happened_at AS captured_at,
       last.state, last.happened_at AS changed_at,
       last.state IS NOT NULL AND last.state = 'completed' AS completed,
       cases.order_key IS NOT NULL AS fell_out,
       COALESCE(silent.sequence > moved.sequence, FALSE) AS stuck
FROM (SELECT order_key, MIN(happened_at) AS happened_at FROM events WHERE name = 'OrderCaptured' GROUP BY order_key) captured
LEFT JOIN (SELECT order_key, arg_max(state, sequence) AS state, arg_max(happened_at, sequence) AS happened_at
           FROM changes GROUP BY order_key) last USING (order_key)
LEFT JOIN (SELECT DISTINCT order_key FROM events WHERE name = 'FalloutDetected') cases USING (order_key)
LEFT JOIN (SELECT order_key, MAX(sequence) AS sequence
           FROM events WHERE name = 'OrderMarkedStuck' GROUP BY order_key) silent USING (order_key)
LEFT JOIN (SELECT order_key, MAX(sequence) AS sequence
           FROM events WHERE name IN ('OrderCaptured', 'OrderValidated', 'OrderRejected', 'OrderDecomposed', 'OrderStateChanged',
                                      'ItemStateChanged', 'TaskStateChanged', 'ServiceOrderStateChanged')
           GROUP BY order_key) moved USING (order_key);

-- The offerings of an order, as its last snapshot in force has them: each once, however many items are of it.
CREATE VIEW order_offerings AS
WITH snapshots AS (
    SELECT order_key, arg_max(value -> '$.order.items', sequence) AS items
    FROM events
    WHERE name IN ('OrderValidated', 'OrderDecomposed') OR (name = 'OrderCaptured' AND value ->> '$.submission' = '1')
    GROUP BY order_key
)
SELECT DISTINCT order_key, item ->> '$.offering.id' AS offering
FROM (SELECT order_key, unnest(CAST(items AS JSON[])) AS item FROM snapshots)
WHERE item ->> '$.offering.id' IS NOT NULL;
