// statements: see statements.h.
#include "schema/statements.h"

#include "proto/wire.h"
#include "schema/store_impl.h"

#include <assert.h>

// The numbers that the statements below, and the index body_digest, have in their text.
static_assert(WIRE_KNOWN_MIN == 16384, "from which content is indexed by its digest");
static_assert(STORE_BLOB_MAX == 262144, "up to which bytes are read with their row");
static_assert(STORE_SLICE == 65536, "up to which a reader takes them with their row");

// The columns of stream before sum, with the values that change given: row_sum's arguments.
#define STREAM_SUM(software, host, pid, worker, started, pod, namespace_, workload, node, labels,  \
                   settings, last, ended)                                                          \
    "row_sum(id, name, " software ", " host ", " pid ", " worker ", " started ", " pod             \
    ", " namespace_ ", " workload ", " node ", " labels ", " settings ", first_seq, " last         \
    ", " ended ")"

#define PART_PIECE                                                                                 \
    "SELECT id, at, size, bytes_sum, length(bytes), iif(length(bytes) <= 65536, bytes, NULL)"      \
    " FROM part WHERE flow = ?1 AND n = ?2 AND s2c = ?3"

const char *const statement_sql[STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_STREAM_FIND] = "SELECT id, last_seq FROM stream WHERE name = ?1",
    [STATEMENT_STREAM_NEXT] = "SELECT next_stream FROM capture",
    [STATEMENT_STREAM_TAKE] = "UPDATE capture SET next_stream = ?1,"
                              " sum = row_sum(id, name, number, previous, made_us, ?1)",
    [STATEMENT_STREAM_NEW] = "INSERT INTO stream VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [STATEMENT_STREAM_KNOWN] =
        "UPDATE stream SET software = ?2, host = ?3, pid = ?4, worker = ?5, started_us = ?6,"
        " pod = ?7, namespace = ?8, workload = ?9, node = ?10, labels = ?11, settings = ?12,"
        " ended_us = NULL, sum = " STREAM_SUM("?2", "?3", "?4", "?5", "?6", "?7", "?8", "?9", "?10",
                                              "?11", "?12", "last_seq", "NULL") //
    " WHERE id = ?1",
    [STATEMENT_PROGRESS] =
        "UPDATE stream SET last_seq = max(last_seq, ?2), ended_us = ?3, sum = " STREAM_SUM(
            "software", "host", "pid", "worker", "started_us", "pod", "namespace", "workload",
            "node", "labels", "settings", "max(last_seq, ?2)", "?3") //
    " WHERE id = ?1",
    [STATEMENT_FLOW] = "INSERT INTO flow VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [STATEMENT_FLOW_END] = "INSERT INTO flow_end VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [STATEMENT_TLS] = "INSERT INTO tls VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [STATEMENT_TXN] = "INSERT INTO txn VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
                      "?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [STATEMENT_HEAD] = "INSERT INTO head VALUES (?1,?2,?10,?3,?4,?5,?6,?7,?8,?9)",
    [STATEMENT_LINK] = "INSERT INTO link VALUES (?,?,?,?)",
    [STATEMENT_BODY] = "INSERT INTO body VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?10,?9)",
    [STATEMENT_BODY_FIND] = "SELECT id FROM body WHERE digest = ?1 AND stored = ?2 AND shared = 1"
                            " AND stored >= 16384",
    // Any content that begins with ?2 bytes of it.
    [STATEMENT_BODY_LIKE] = "SELECT id FROM body WHERE digest = ?1 AND stored >= ?2 AND shared = 1"
                            " AND stored >= 16384 LIMIT 1",
    [STATEMENT_BODY_ROOM] = "INSERT INTO body VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,zeroblob(?4))",
    [STATEMENT_BODY_NEXT] = "SELECT coalesce(max(id), 0) + 1 FROM body",
    [STATEMENT_PART] =
        "INSERT INTO part VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?15,?14)",
    [STATEMENT_PARTS_OF] =
        "SELECT at, size FROM part WHERE flow = ?1 AND n = ?2 AND s2c = ?3 ORDER BY at",
    [STATEMENT_PARTS_EMPTY] =
        "UPDATE part SET bytes = NULL WHERE flow = ?1 AND n = ?2 AND s2c = ?3",
    [STATEMENT_TXN_OPEN] = "INSERT INTO txn_open VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
    [STATEMENT_LOSS] = "INSERT INTO loss VALUES (?,?,?,?,?,?,?,?,?,?,?)",
    [STATEMENT_RESTART] = "INSERT INTO restart VALUES (?,?,?,?)",
    [STATEMENT_UNKNOWN] = "INSERT INTO unknown_record VALUES (?1,?2,?4,?3)",
    [STATEMENT_TARGET] = "SELECT target FROM flow WHERE id = ?1",
    // Bytes that are many (STORE_SLICE, STORE_BLOB_MAX) are read otherwise.
    [STATEMENT_BODY_ROW] =
        "SELECT stored, flow, n, s2c, length(bytes), iif(length(bytes) <= 65536, bytes, NULL)"
        " FROM body WHERE id = ?1",
    [STATEMENT_BODY_PROOF] =
        "SELECT id, digest, size, stored, shared, flow, n, s2c, sum,"
        " iif(length(bytes) <= 262144, bytes, NULL), length(bytes) FROM body WHERE id = ?1",
    // The part that has byte ?4, or the one behind it.
    [STATEMENT_PART_FIRST] = PART_PIECE
    " AND at >= coalesce((SELECT max(at) FROM part WHERE flow = ?1 AND n = ?2 AND s2c = ?3"
    " AND at <= ?4), 0) ORDER BY at, id LIMIT 1",
    [STATEMENT_PART_NEXT] = PART_PIECE " AND (at, id) > (?4, ?5) ORDER BY at, id LIMIT 1",
    [STATEMENT_BODY_PARTS] =
        "SELECT at, size, bytes FROM part WHERE flow = ?1 AND n = ?2 AND s2c = ?3 ORDER BY at",
};
