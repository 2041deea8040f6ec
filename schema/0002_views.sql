-- The views. Plain SQL: any client can use them, the sqlite3 program as well.
--
-- Durations are microseconds. Joins are LEFT JOINs on keys, so that SQLite leaves out those that a query does not ask for, and
-- a row whose partner is damaged is still seen.
--
--   The slowest ten requests:     SELECT status, method, url, duration FROM http WHERE protocol = 'http'
--                                 ORDER BY duration DESC LIMIT 10
--   Error rate by route:          SELECT method, host, route, count, error_rate FROM endpoints ORDER BY error_rate DESC
--   Bytes by peer:                SELECT peer, sum(relayed_c2s), sum(relayed_s2c) FROM flows GROUP BY peer
--   Replayed beside recorded:     ATTACH 'replay.db' AS r; SELECT r.http.status, h.status, h.url FROM r.http JOIN http h
--                                 ON h.id = r.http.original
--   Headers of a transaction:     SELECT side, name, value FROM header WHERE txn = …
--   The body of an answer:        SELECT bytes FROM content WHERE txn = … AND side = 'answer'
--                                 (the sqlite3 program writes it to a file with writefile('name', bytes))

-- One row a transaction, of every protocol. The columns up to outcome are the fields of the filter language, in its
-- order and under its names.
CREATE VIEW http AS
SELECT t.id AS id,
       strftime('%Y-%m-%dT%H:%M:%S', t.start_us / 1000000, 'unixepoch') || printf('.%06dZ', t.start_us % 1000000) AS time,
       t.protocol AS protocol,
       f.direction AS direction,
       t.method AS method,
       t.scheme AS scheme,
       t.host AS host,
       t.path AS path,
       t.query AS query,
       -- the view open_transactions has the same
       CASE WHEN t.scheme <> '' THEN t.scheme WHEN t.protocol = 'raw' THEN 'tcp' ELSE t.protocol END
           || '://' || t.host || iif(t.path = '*', '', t.path) || iif(t.query <> '', '?' || t.query, '') AS url,
       t.status AS status,
       t.version AS version,
       t.end_us - t.start_us AS duration,
       max(0, t.res_start_us - t.req_end_us) AS wait,  -- last byte of the request to first byte of the answer
       t.req_size AS req_size,
       t.res_size AS res_size,
       t.req_type AS req_type,
       t.res_type AS res_type,
       f.client AS client,
       f.server AS server,
       f.target AS target,
       f.requested AS requested,
       f.front AS front,
       t.flow AS flow,
       t.n AS n,
       t.state AS state,
       t.by_proxy AS by_proxy,
       t.note AS note,
       (SELECT l.sni FROM tls l WHERE l.flow = t.flow ORDER BY l.id LIMIT 1) AS sni,
       s.pod AS pod,
       s.namespace AS namespace,
       s.workload AS workload,
       k.original AS original,                         -- txn.id in the capture that was played; NULL as a rule
       k.outcome AS outcome,
       t.start_us AS start_us,
       t.req_end_us AS req_end_us,
       t.res_start_us AS res_start_us,
       t.end_us AS end_us,
       t.req_body AS req_body,                         -- body.id
       t.res_body AS res_body,
       t.req_stored AS req_stored,
       t.res_stored AS res_stored,
       t.req_wire AS req_wire,
       t.res_wire AS res_wire,
       iif(t.route <> '', t.route, t.path) AS route,
       rtrim(rtrim(f.client, '0123456789'), ':') AS peer, -- the client without its port
       f.dial_us AS dial_us,
       f.dns_us AS dns_us,
       t.id >> 40 AS stream,
       d.req AS req_head,
       d.res AS res_head,
       d.interim AS interim,
       d.req_trailers AS req_trailers,
       d.res_trailers AS res_trailers,
       d.redacted AS redacted
FROM txn t
LEFT JOIN flow f ON f.id = t.flow
LEFT JOIN stream s ON s.id = t.id >> 40
LEFT JOIN head d ON d.txn = t.id
LEFT JOIN link k ON k.txn = t.id;

-- The header fields of a transaction, a row each: order, case and duplicates as they passed. n counts the lines of a
-- head: 0 is its first header line.
--
-- How a head becomes rows: '\' and '"' are written as '\s' and '\q', each line end (LF, or CR LF) as '"', and all of it as one
-- JSON string. There a '\"' can only be a line end; '","' in its place makes the text a JSON array of lines.
CREATE VIEW header AS
WITH section(txn, side, first, bytes) AS (
    SELECT txn, 'request', 1, req FROM head
    UNION ALL SELECT txn, 'interim', 0, interim FROM head
    UNION ALL SELECT txn, 'answer', 1, res FROM head
    UNION ALL SELECT txn, 'request-trailer', 0, req_trailers FROM head
    UNION ALL SELECT txn, 'answer-trailer', 0, res_trailers FROM head
),
line(txn, side, n, text) AS (
    SELECT s.txn, s.side, j.key - s.first, replace(replace(j.value, '\q', '"'), '\s', '\')
    FROM section s,
         json_each('[' || replace(json_quote(replace(replace(replace(replace(CAST(s.bytes AS TEXT), '\', '\s'), '"', '\q'),
                                                             char(13, 10), char(10)), char(10), '"')), '\"', '","') || ']') j
    WHERE s.bytes IS NOT NULL AND j.value <> '' AND j.key >= s.first
)
SELECT txn, side, n,
       iif(instr(text, ':') > 0, substr(text, 1, instr(text, ':') - 1), '') AS name,
       trim(iif(instr(text, ':') > 0, substr(text, instr(text, ':') + 1), text), ' ' || char(9)) AS value
FROM line
WHERE side <> 'interim' OR text NOT LIKE 'HTTP/%';

-- The whole content of a message, as it was on the wire (a content coding is not undone). Up to 1 GB; what is larger is read
-- from the parts, in the order of `at`. Where pieces are lost, or in an earlier file, bytes is what stands before the first of
-- them, NULL when that is nothing: coalesce(length(bytes), 0) is less than stored. `tapedeck show` of the folder has both files.
CREATE VIEW content AS
WITH half(txn, side, body) AS (
    SELECT id, 'request', req_body FROM txn
    UNION ALL SELECT id, 'answer', res_body FROM txn
)
SELECT h.txn AS txn,
       h.side AS side,
       b.size AS size,
       b.stored AS stored,
       hex(b.digest) AS sha256,
       coalesce(b.bytes,
                -- the parts before the first one that does not begin where those before it end (due)
                (SELECT CAST(group_concat(p.bytes, '') AS BLOB)
                 FROM (SELECT bytes FROM part
                       WHERE flow = b.flow AND n = b.n AND s2c = b.s2c
                         AND at < (SELECT coalesce(min(d.at), 9223372036854775807)
                                   FROM (SELECT at, coalesce(sum(iif(typeof(bytes) = 'null', 0, size)) OVER before, 0) AS due
                                         FROM part WHERE flow = b.flow AND n = b.n AND s2c = b.s2c
                                         WINDOW before AS (ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) d
                                   WHERE d.at <> d.due)
                       ORDER BY at) p)) AS bytes
FROM half h
JOIN body b ON b.id = h.body;

-- The pieces of conversations that no decoder names, in the order of their time when sorted by first_us.
CREATE VIEW raw AS
SELECT p.id AS id,
       p.flow AS flow,
       p.n AS n,
       t.id AS txn, -- NULL: not over yet
       strftime('%Y-%m-%dT%H:%M:%S', p.first_us / 1000000, 'unixepoch') || printf('.%06dZ', p.first_us % 1000000) AS time,
       iif(p.s2c, 's2c', 'c2s') AS dir,
       f.client AS client,
       f.target AS target,
       p.first_us AS first_us,
       p.last_us AS last_us,
       p.at AS at,
       p.size AS size,
       p.bytes AS bytes
FROM part p
LEFT JOIN flow f ON f.id = p.flow
LEFT JOIN txn t ON t.flow = p.flow AND t.n = p.n
WHERE coalesce(t.protocol, (SELECT o.protocol FROM txn_open o WHERE o.flow = p.flow AND o.n = p.n), 'raw') <> 'http';

-- A flow with its end (NULL: it has not ended in this file) and how much of it is here.
CREATE VIEW flows AS
SELECT f.id AS id,
       strftime('%Y-%m-%dT%H:%M:%S', f.at_us / 1000000, 'unixepoch') || printf('.%06dZ', f.at_us % 1000000) AS time,
       f.direction AS direction,
       f.front AS front,
       f.client AS client,
       rtrim(rtrim(f.client, '0123456789'), ':') AS peer,
       f.local AS local,
       f.original AS original,
       f.requested AS requested,
       f.target AS target,
       f.server AS server,
       f.dial_us AS dial_us,
       f.dns_us AS dns_us,
       e.at_us - f.at_us AS duration,
       e.reason AS reason,
       e.detail AS detail,
       e.relayed_c2s AS relayed_c2s,
       e.relayed_s2c AS relayed_s2c,
       e.transactions AS transactions,
       e.filtered AS filtered,
       (SELECT count(*) FROM txn t WHERE t.flow = f.id) AS kept,
       (SELECT l.sni FROM tls l WHERE l.flow = f.id ORDER BY l.id LIMIT 1) AS sni,
       (SELECT l.mode FROM tls l WHERE l.flow = f.id ORDER BY l.id LIMIT 1) AS tls,
       e.first_speaker AS first_speaker,
       f.carried AS carried,
       f.at_us AS at_us,
       e.at_us AS ended_us,
       f.id >> 40 AS stream
FROM flow f
LEFT JOIN flow_end e ON e.flow = f.id;

-- TLS by connection: what was recorded of it decrypted, and why not where it was not.
CREATE VIEW handshakes AS
SELECT l.id AS id,
       strftime('%Y-%m-%dT%H:%M:%S', l.at_us / 1000000, 'unixepoch') || printf('.%06dZ', l.at_us % 1000000) AS time,
       f.direction AS direction,
       f.client AS client,
       f.target AS target,
       l.sni AS sni,
       l.mode AS mode,
       l.why AS why,
       l.version AS version,
       l.cipher AS cipher,
       l.alpn AS alpn,
       l.resumed AS resumed,
       l.client_version AS client_version,
       l.client_cipher AS client_cipher,
       l.client_resumed AS client_resumed,
       l.versions_offered AS versions_offered,
       l.alpn_offered AS alpn_offered,
       l.subject AS subject,
       l.issuer AS issuer,
       l.names AS names,
       date(nullif(l.not_before_us, 0) / 1000000, 'unixepoch') AS not_before,
       date(nullif(l.not_after_us, 0) / 1000000, 'unixepoch') AS not_after,
       lower(hex(l.fingerprint)) AS fingerprint,
       e.reason AS reason,
       e.detail AS detail,
       l.flow AS flow,
       l.at_us AS at_us
FROM tls l
JOIN flow f ON f.id = l.flow
LEFT JOIN flow_end e ON e.flow = l.flow;

-- Requests by where they went. An error is an answer of 500 and above, or none where one was due.
CREATE VIEW endpoints AS
SELECT method,
       host,
       iif(route <> '', route, path) AS route,
       count(*) AS count,
       sum(coalesce(status, 599) >= 500) AS errors,
       round(avg(coalesce(status, 599) >= 500), 4) AS error_rate,
       CAST(avg(end_us - start_us) AS INTEGER) AS avg_duration,
       max(end_us - start_us) AS max_duration,
       sum(req_size) AS req_bytes,
       sum(res_size) AS res_bytes
FROM txn
WHERE protocol = 'http'
GROUP BY endpoint;

-- What was not kept although it should have been, with its cause.
CREATE VIEW losses AS
SELECT l.id AS id,
       strftime('%Y-%m-%dT%H:%M:%S', l.first_us / 1000000, 'unixepoch') || printf('.%06dZ', l.first_us % 1000000) AS time,
       l.cause AS cause,
       l.transactions AS transactions,
       l.flows AS flows,
       l.lost_c2s AS lost_c2s,
       l.lost_s2c AS lost_s2c,
       l.last_us - l.first_us AS duration,
       l.detail AS detail,
       l.flow AS flow,
       f.client AS client,
       f.target AS target,
       l.first_us AS first_us,
       l.last_us AS last_us
FROM loss l
LEFT JOIN flow f ON f.id = l.flow;

-- Long transactions that have begun and not ended, as far as this file tells; named as the view http will name them.
CREATE VIEW open_transactions AS
SELECT o.id AS id,
       strftime('%Y-%m-%dT%H:%M:%S', o.first_us / 1000000, 'unixepoch') || printf('.%06dZ', o.first_us % 1000000) AS time,
       o.protocol AS protocol,
       f.direction AS direction,
       o.method AS method,
       o.scheme AS scheme,
       iif(o.host <> '', o.host, f.target) AS host,
       o.path AS path,
       o.query AS query,
       CASE WHEN o.scheme <> '' THEN o.scheme WHEN o.protocol = 'raw' THEN 'tcp' ELSE o.protocol END
           || '://' || iif(o.host <> '', o.host, coalesce(f.target, '')) || iif(o.path = '*', '', o.path)
           || iif(o.query <> '', '?' || o.query, '') AS url,
       o.status AS status,
       f.client AS client,
       f.target AS target,
       o.flow AS flow,
       o.n AS n,
       o.first_us AS first_us,
       (SELECT sum(p.size) FROM part p WHERE p.flow = o.flow AND p.n = o.n AND p.s2c = 0) AS req_so_far,
       (SELECT sum(p.size) FROM part p WHERE p.flow = o.flow AND p.n = o.n AND p.s2c = 1) AS res_so_far
FROM txn_open o
LEFT JOIN flow f ON f.id = o.flow
WHERE NOT EXISTS (SELECT 1 FROM txn t WHERE t.flow = o.flow AND t.n = o.n)
  AND NOT EXISTS (SELECT 1 FROM flow_end e WHERE e.flow = o.flow);
