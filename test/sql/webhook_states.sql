-- The life of an order and of a payment: every pair of states, and how events are called.
\set VERBOSITY terse
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS truust;
CREATE TEMP TABLE states (n int GENERATED ALWAYS AS IDENTITY, status text);
INSERT INTO states (status) VALUES ('DRAFT'), ('PENDING_DETAILS'), ('PENDING_PUBLISH'), ('FAILURE'), ('PUBLISHED'), ('ACCEPTED'),
    ('PENDING_VALIDATE'), ('PENDING_RELEASE'), ('BLOCKED_RELEASE'), ('REJECTED'), ('CANCELLED'), ('RELEASED'), ('NEW_ONE'), (NULL);
-- One line for each status that an order has, one letter for each that it is told, in the order of the lines: m moves, - stays, s is stale.
SELECT coalesce(a.status, '(none)') AS status,
       string_agg(CASE truust.order_state_verdict(a.status, b.status) WHEN 'move' THEN 'm' WHEN 'stay' THEN '-' WHEN 'stale' THEN 's' END, ' ' ORDER BY b.n) AS told
  FROM states a, states b WHERE b.status IS NOT NULL GROUP BY a.n, a.status ORDER BY a.n;
-- Being told nothing says nothing.
SELECT truust.order_state_verdict('DRAFT', NULL) IS NULL AS order_null, truust.payment_state_verdict(NULL, NULL) IS NULL AS payment_null;
-- No two states are both ahead of each other, but for a block, which is lifted again.
SELECT a.status, b.status FROM states a, states b
 WHERE a.status < b.status AND a.status <> 'NEW_ONE' AND b.status <> 'NEW_ONE'
   AND truust.order_state_verdict(a.status, b.status) = 'move' AND truust.order_state_verdict(b.status, a.status) = 'move' ORDER BY 1, 2;
-- Nothing leads out of a final state but from rejected to cancelled.
SELECT a.status, b.status FROM states a, states b
 WHERE a.status IN ('REJECTED', 'CANCELLED', 'RELEASED') AND b.status <> 'NEW_ONE' AND truust.order_state_verdict(a.status, b.status) = 'move';
-- Payments.
SELECT coalesce(a, '(none)') AS status, string_agg(CASE truust.payment_state_verdict(a, b) WHEN 'move' THEN 'm' WHEN 'stay' THEN '-' ELSE 's' END, ' ' ORDER BY m) AS told
  FROM unnest(ARRAY['CREATED', 'AUTHORIZED', 'DENIED', 'CONFIRMED', 'CANCELLED', 'REFUNDED', 'NEW_ONE', NULL]) WITH ORDINALITY x (a, n),
       unnest(ARRAY['CREATED', 'AUTHORIZED', 'DENIED', 'CONFIRMED', 'CANCELLED', 'REFUNDED', 'NEW_ONE']) WITH ORDINALITY y (b, m)
 GROUP BY n, a ORDER BY n;
-- The event of arriving at a status.
SELECT status, truust.order_state_event(status) FROM states WHERE status IS NOT NULL ORDER BY n;
SELECT length(truust.order_state_event(repeat('LONG', 1000)));
-- What truust.orders has where no status is known is none.
SELECT truust.order_state_event('') IS NULL AS event, truust.order_state_verdict('', 'DRAFT') AS first, truust.order_state_verdict('DRAFT', '') IS NULL AS told,
       truust.payment_state_verdict('CREATED', '') IS NULL AS told_payment;
-- Names of events, as senders spell them.
SELECT sent_as, truust.event_name(sent_as) AS name FROM unnest(ARRAY[
    'order.published', 'OrderPublished', 'EscrowPublished', 'Order Published', 'order-published', 'order_published', 'ORDER_PUBLISHED',
    'escrow.published', 'escrow', 'published', 'Published', 'Payout Created', 'PayoutCreated', 'payout.created', 'PayinConfirmed', 'PayinEPGConfirmed',
    'payin.confirmed', 'order.blocked_release', 'order.Blocked Release', 'Something', 'something_else entirely', ' . ', '', 'Ärger Öffnet', 'a', 'A.B', 'HTTP', 'orderABC',
    'EscrowFailure', 'order.failed', 'failure', 'OrderCanceled', 'canceled', 'PayinCanceled'
    ]) AS sent_as;
