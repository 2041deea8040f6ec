-- A Tapedeck capture. Any SQLite client may read it, also while it is being written.
--
-- Times are microseconds since 1970-01-01 UTC; sizes and counts of bytes are bytes. c2s: what the client sent, s2c: what
-- the server sent.
--
-- The key of everything that came as a record is  stream << 40 | sequence number : a record that is sent twice is a row
-- once, and a missing row is a visible hole. (A loss of the cause content-gone is part of the record with the same key.)
-- Rows of records are inserted and never changed, with one exception: the bytes of a part are set to NULL when the body that it
-- belongs to stands elsewhere in the file.
--
-- `sum` guards a row: XXH3 (64 bit) over the row's other columns in the order in which they stand here, each as a tag (0 NULL,
-- 1 integer, 2 text, 3 blob) and, little-endian, the integer (8 bytes) or the length (8 bytes) and the bytes.
-- `tapedeck verify` recomputes it.
--
-- Blobs stand last in their tables, so that reading the columns before them reads no page of theirs.
--
-- Start with the views: http, raw, header, content, flows, endpoints, losses, open_transactions (0002_views.sql).

PRAGMA application_id = 0x54415045; -- "TAPE"

-- This file among the files of one capture. One row.
CREATE TABLE capture (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    name        BLOB NOT NULL CHECK (length(name) = 16), -- the same in all files of the capture
    number      INTEGER NOT NULL, -- 1: the first file; each rotation adds 1
    previous    TEXT NOT NULL,    -- name of the file before, '' if none
    made_us     INTEGER NOT NULL,
    next_stream INTEGER NOT NULL, -- id of the next stream that is new to the capture
    sum         INTEGER NOT NULL
) STRICT;

-- One emitter's numbered sequence of records: a worker thread of a proxy, across restarts.
CREATE TABLE stream (
    id         INTEGER PRIMARY KEY,
    name       BLOB NOT NULL UNIQUE CHECK (length(name) = 16),
    software   TEXT NOT NULL,
    host       TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    worker     INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    pod        TEXT NOT NULL,
    namespace  TEXT NOT NULL,
    workload   TEXT NOT NULL,
    node       TEXT NOT NULL,
    labels     TEXT NOT NULL CHECK (json_valid(labels)),   -- {"name": "value"}
    settings   TEXT NOT NULL CHECK (json_valid(settings)), -- the options it ran with, without secrets
    first_seq  INTEGER NOT NULL, -- the lowest number that belongs in this file
    last_seq   INTEGER NOT NULL, -- the highest number committed; first_seq - 1: none yet
    ended_us   INTEGER,          -- when it ended in good order; NULL: it may go on
    sum        INTEGER NOT NULL
) STRICT;

-- A client connection with its upstream.
CREATE TABLE flow (
    id           INTEGER PRIMARY KEY, -- record key
    at_us        INTEGER NOT NULL,    -- accepted
    direction    TEXT NOT NULL CHECK (direction = 'inbound' OR direction = 'outbound'), -- towards or from the workload
    front        TEXT NOT NULL,       -- how the client said where to go: fixed, http, socks4, socks5, transparent
    client       TEXT NOT NULL,       -- address:port of the peer
    local        TEXT NOT NULL,       -- address:port that it connected to
    original     TEXT NOT NULL,       -- its destination before redirection, '' if none
    requested    TEXT NOT NULL,       -- host:port that it named, '' if none
    target       TEXT NOT NULL,       -- host:port that was dialled
    server       TEXT NOT NULL,       -- address:port that answered, '' if none
    server_local TEXT NOT NULL,       -- our end towards the server
    dial_us      INTEGER NOT NULL,    -- duration of the dial
    dns_us       INTEGER NOT NULL,    -- of it: the name look-up
    carried      INTEGER NOT NULL,    -- 1: began in an earlier file of this capture, see the table carried
    sum          INTEGER NOT NULL
) STRICT;

-- The ledger of a flow in the earlier files of this capture, so that each file can be proved by itself.
CREATE TABLE carried (
    flow              INTEGER PRIMARY KEY REFERENCES flow (id) DEFERRABLE INITIALLY DEFERRED,
    stored_c2s        INTEGER NOT NULL,
    stored_s2c        INTEGER NOT NULL,
    omitted_c2s       INTEGER NOT NULL,
    omitted_s2c       INTEGER NOT NULL,
    lost_c2s          INTEGER NOT NULL,
    lost_s2c          INTEGER NOT NULL,
    transactions      INTEGER NOT NULL, -- rows of txn
    lost_transactions INTEGER NOT NULL,
    sum               INTEGER NOT NULL
) STRICT;

-- The end of a flow, with its side of the ledger.
CREATE TABLE flow_end (
    id            INTEGER PRIMARY KEY, -- record key
    flow          INTEGER NOT NULL UNIQUE REFERENCES flow (id) DEFERRABLE INITIALLY DEFERRED,
    at_us         INTEGER NOT NULL,
    reason        TEXT NOT NULL,
    detail        TEXT NOT NULL,
    relayed_c2s   INTEGER NOT NULL,
    relayed_s2c   INTEGER NOT NULL,
    stored_c2s    INTEGER NOT NULL, -- bytes that this row itself stands for (none, as a rule)
    stored_s2c    INTEGER NOT NULL,
    omitted_c2s   INTEGER NOT NULL, -- left out by the capture filter
    omitted_s2c   INTEGER NOT NULL,
    transactions  INTEGER NOT NULL, -- that ended in this flow, kept or not
    filtered      INTEGER NOT NULL, -- of these, left out by the capture filter
    first_speaker TEXT NOT NULL CHECK (first_speaker = '' OR first_speaker = 'client' OR first_speaker = 'server'),
    sum           INTEGER NOT NULL
) STRICT;

-- A TLS handshake seen in a flow.
CREATE TABLE tls (
    id               INTEGER PRIMARY KEY, -- record key
    flow             INTEGER NOT NULL REFERENCES flow (id) DEFERRABLE INITIALLY DEFERRED,
    at_us            INTEGER NOT NULL,
    mode             TEXT NOT NULL,       -- opaque: relayed as it was; intercepted, terminated: its content is recorded;
                                          -- refused: the client did not take our certificate; failed
    sni              TEXT NOT NULL,
    alpn_offered     TEXT NOT NULL,
    versions_offered TEXT NOT NULL,
    version          TEXT NOT NULL,       -- '' when the server did not answer
    cipher           TEXT NOT NULL,
    alpn             TEXT NOT NULL,       -- '' where it is not visible
    resumed          INTEGER NOT NULL,    -- 1: a session of the server's was taken up
    client_version   TEXT NOT NULL,       -- of our handshake with the client; '' where there is none
    client_cipher    TEXT NOT NULL,
    client_resumed   INTEGER NOT NULL,
    why              TEXT NOT NULL,       -- opaque: why not intercepted; refused, failed: what was wrong; else what is wrong
                                          -- with a certificate that was accepted
    subject          TEXT,                -- of the server's certificate, of the client's where mode is terminated;
    issuer           TEXT,                -- NULL: none was seen
    names            TEXT,                -- of DNS and IP, comma-separated
    not_before_us    INTEGER,
    not_after_us     INTEGER,
    fingerprint      BLOB,                -- SHA-256
    sum              INTEGER NOT NULL
) STRICT;
CREATE INDEX tls_flow ON tls (flow);

-- A request and its answer; either half may be missing. Narrow on purpose: heads and bodies stand in their own tables.
CREATE TABLE txn (
    id           INTEGER PRIMARY KEY, -- record key
    flow         INTEGER NOT NULL REFERENCES flow (id) DEFERRABLE INITIALLY DEFERRED,
    n            INTEGER NOT NULL,    -- number within the flow, from 0
    protocol     TEXT NOT NULL,       -- http, raw, tls
    start_us     INTEGER NOT NULL,    -- first byte seen
    req_end_us   INTEGER,             -- last byte of the request; NULL: there was none
    res_start_us INTEGER,             -- first byte of the answer; NULL: there was none
    end_us       INTEGER NOT NULL,    -- last byte seen
    method       TEXT NOT NULL,
    scheme       TEXT NOT NULL,
    host         TEXT NOT NULL,       -- as the request names it; where it names none, the flow's target
    path         TEXT NOT NULL,
    route        TEXT NOT NULL,       -- path with {id} for segments that look like numbers or ids; '': the path itself
    endpoint     INTEGER NOT NULL,    -- a hash of method, host and route: sorts faster than they do
    query        TEXT NOT NULL,       -- without '?'
    status       INTEGER,             -- NULL: never answered, or a protocol without
    version      TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state = 'complete' OR state = 'unanswered' OR state = 'request-cut' OR state = 'answer-cut' OR state = 'answer-only'),
    by_proxy     INTEGER NOT NULL,    -- 1: the answer is the proxy's own
    note         TEXT NOT NULL,       -- why decoding ended here, '' as a rule
    req_type     TEXT NOT NULL,       -- value of the Content-Type header, '' if none
    res_type     TEXT NOT NULL,
    req_size     INTEGER NOT NULL,    -- content bytes, stored or not
    res_size     INTEGER NOT NULL,
    req_stored   INTEGER NOT NULL,    -- content bytes kept
    res_stored   INTEGER NOT NULL,
    req_body     INTEGER REFERENCES body (id) DEFERRABLE INITIALLY DEFERRED, -- NULL: no content
    res_body     INTEGER REFERENCES body (id) DEFERRABLE INITIALLY DEFERRED,
    req_parts    INTEGER NOT NULL,    -- rows of part that brought the content, in this file or an earlier one
    res_parts    INTEGER NOT NULL,
    req_wire     INTEGER NOT NULL,    -- wire bytes of the half, head and framing included
    res_wire     INTEGER NOT NULL,
    stored_c2s   INTEGER NOT NULL,    -- the ledger: wire bytes that this record stands for (parts count for themselves)
    stored_s2c   INTEGER NOT NULL,
    omitted_c2s  INTEGER NOT NULL,
    omitted_s2c  INTEGER NOT NULL,
    beside       INTEGER NOT NULL,    -- rows that belong to it: 1 in head, 2 in link, 3 in both
    cut          INTEGER NOT NULL,    -- halves that the connection ended within: 1 the request, 2 the answer, 3 both
    sum          INTEGER NOT NULL
) STRICT;
-- The order of listings. Status and host are looked for within it: it is narrow, and one index is written in less time
-- than three.
CREATE INDEX txn_start ON txn (start_us, status, id, host);
CREATE INDEX txn_flow ON txn (flow, n);

-- The exact heads of a transaction, as they passed (after redaction), and what else belongs to its halves.
CREATE TABLE head (
    txn          INTEGER PRIMARY KEY REFERENCES txn (id) DEFERRABLE INITIALLY DEFERRED,
    redacted     TEXT NOT NULL,       -- what redaction replaced, comma-separated
    sum          INTEGER NOT NULL,
    req          BLOB,                -- request line and header lines with the empty line
    res          BLOB,
    interim      BLOB,                -- heads of 1xx answers, one behind the other
    req_trailers BLOB,
    res_trailers BLOB,
    req_rhythm   BLOB,                -- when the half came in several pieces: varints, see record.proto
    res_rhythm   BLOB
) STRICT;

-- Where a transaction of a replay or a mock comes from, and what came of it. Others have no row.
CREATE TABLE link (
    txn      INTEGER PRIMARY KEY REFERENCES txn (id) DEFERRABLE INITIALLY DEFERRED,
    original INTEGER,                 -- txn.id in the capture that was played; NULL: it has none
    outcome  TEXT NOT NULL,           -- equal, differs, hit, miss …, with the faults that were made: hit fault=latency
    sum      INTEGER NOT NULL
) STRICT;

-- The content of a message, once for all that are equal. It is as it was on the wire: a content coding is not undone.
-- Content below 16 KiB may stand here more than once: looking for it would cost more than it saves.
CREATE TABLE body (
    id     INTEGER PRIMARY KEY,
    digest BLOB CHECK (length(digest) = 32), -- SHA-256 of the whole content; NULL: not known
    size   INTEGER NOT NULL,          -- of the whole content
    stored INTEGER NOT NULL,          -- of it kept: its first bytes, when shared; 0: it is gone, or left out by max-body
    shared INTEGER NOT NULL,          -- 0: one message's own (a conversation, or pieces are lost or in an earlier file)
    flow   INTEGER,                   -- not NULL: the bytes are in the parts of this flow, transaction and side
    n      INTEGER,
    s2c    INTEGER,
    sum    INTEGER NOT NULL,
    bytes  BLOB                       -- NULL: in the parts
) STRICT;
CREATE UNIQUE INDEX body_digest ON body (digest, stored) WHERE shared = 1 AND stored >= 16384;

-- A piece of a large body, or of a raw conversation, with its time. Its size is 0 where its content is gone (see loss).
CREATE TABLE part (
    id          INTEGER PRIMARY KEY,  -- record key
    flow        INTEGER NOT NULL REFERENCES flow (id) DEFERRABLE INITIALLY DEFERRED,
    n           INTEGER NOT NULL,
    s2c         INTEGER NOT NULL,     -- 0: from the client, 1: from the server
    first_us    INTEGER NOT NULL,
    last_us     INTEGER NOT NULL,
    at          INTEGER NOT NULL,     -- offset of its first byte in the content
    size        INTEGER NOT NULL,
    bytes_sum   INTEGER NOT NULL,     -- XXH3 (64 bit) of the bytes
    stored_c2s  INTEGER NOT NULL,
    stored_s2c  INTEGER NOT NULL,
    omitted_c2s INTEGER NOT NULL,
    omitted_s2c INTEGER NOT NULL,
    sum         INTEGER NOT NULL,     -- over all columns but bytes, so that it holds when they are NULL
    bytes       BLOB                  -- NULL: the whole body stands elsewhere already, see body
) STRICT;
CREATE INDEX part_of ON part (flow, n, s2c, at);

-- A long transaction that had begun; its txn row follows at its end.
CREATE TABLE txn_open (
    id       INTEGER PRIMARY KEY,     -- record key
    flow     INTEGER NOT NULL REFERENCES flow (id) DEFERRABLE INITIALLY DEFERRED,
    n        INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    first_us INTEGER NOT NULL,
    method   TEXT NOT NULL,
    scheme   TEXT NOT NULL,
    host     TEXT NOT NULL,
    path     TEXT NOT NULL,
    query    TEXT NOT NULL,
    status   INTEGER,
    sum      INTEGER NOT NULL
) STRICT;
CREATE INDEX txn_open_flow ON txn_open (flow, n);

-- What was not kept although it should have been.
CREATE TABLE loss (
    id           INTEGER PRIMARY KEY, -- record key
    flow         INTEGER REFERENCES flow (id) DEFERRABLE INITIALLY DEFERRED, -- NULL: flows without a row of their own
    cause        TEXT NOT NULL,       -- ring-full, decode-lost, out-of-memory, redaction-failed, recorder-refused, died,
                                      -- budget-full; content-gone: the record with this key, in txn or part, referred to
                                      -- content that neither this file nor those before it had any more
    transactions INTEGER NOT NULL,
    flows        INTEGER NOT NULL,    -- whole flows that have no row
    lost_c2s     INTEGER NOT NULL,
    lost_s2c     INTEGER NOT NULL,
    first_us     INTEGER NOT NULL,
    last_us      INTEGER NOT NULL,
    detail       TEXT NOT NULL,
    sum          INTEGER NOT NULL
) STRICT;
CREATE INDEX loss_flow ON loss (flow);

-- The proxy's process died and another went on with the stream: open flows ended here.
CREATE TABLE restart (
    id    INTEGER PRIMARY KEY,        -- record key
    at_us INTEGER NOT NULL,
    pid   INTEGER NOT NULL,
    sum   INTEGER NOT NULL
) STRICT;

-- Records of a type that this recorder did not know: kept whole, so that nothing is a hole.
CREATE TABLE unknown_record (
    id    INTEGER PRIMARY KEY,        -- record key
    type  INTEGER NOT NULL,
    sum   INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
