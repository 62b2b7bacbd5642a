-- One line per offering, and one for all orders: how many, how long the completed ones took, how many needed repair, how many stand
-- still unnoticed by anything but the scan.
WITH lines AS (
    SELECT offering, orders.* FROM orders JOIN order_offerings USING (order_key)
    UNION ALL BY NAME
    SELECT 'all orders' AS offering, * FROM orders
)
SELECT offering,
       COUNT(*) AS orders,
       COUNT(*) FILTER (completed) AS completed,
       quantile_disc(date_diff('millisecond', captured_at, changed_at), 0.50) FILTER (completed) AS p50_ms,
       quantile_disc(date_diff('millisecond', captured_at, changed_at), 0.90) FILTER (completed) AS p90_ms,
       quantile_disc(date_diff('millisecond', captured_at, changed_at), 0.99) FILTER (completed) AS p99_ms,
       ROUND(100.0 * COUNT(*) FILTER (fell_out) / COUNT(*), 2) AS fallout_percent,
       COUNT(*) FILTER (stuck) AS stuck
FROM lines
GROUP BY offering
ORDER BY offering = 'all orders', offering;
