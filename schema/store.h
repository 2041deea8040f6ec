// store: the capture file, the one face of SQLite for everybody else.
//
// The writer: one process, one thread. Readers: any number, at any time, in other processes too
// (WAL). Errors are 0 or E_…; store_why() then tells one line: the file, what was tried, SQLite's
// words.
#ifndef TAPEDECK_STORE_H
#define TAPEDECK_STORE_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proto/base/view.h"
#include "proto/filter.h"
#include "proto/wire.h"

struct store;

#define STORE_SEQ_BITS 40
static inline int64_t store_key(int64_t stream, uint64_t seq)
{
    return (int64_t)((uint64_t)stream << STORE_SEQ_BITS | seq);
}

// ---- open

enum store_mode { STORE_WRITE, STORE_READ };

// STORE_WRITE makes the file (0600) or brings its schema up to date; locks out a second writer
// (E_BUSY). STORE_READ never changes it. E_NOTFOUND, E_DAMAGED (the reader's also: no database, or
// no capture), E_VERSION (made by another version of the program), E_FULL, E_IO; the writer's:
// E_UNSUPPORTED (what is there is no file, no database, or no capture), E_REFUSED, E_RANGE,
// E_SYNTAX (no such path can be).
int store_open(struct store **out, const char *path, enum store_mode mode,
               char why[WHY_MAX]) MUST_CHECK;
void store_close(struct store *s); // s may be NULL
const char *store_why(const struct store *s);
// Whether s has that file open, whatever its name is by now (rotation gives it another).
struct stat;
bool store_is(const struct store *s, const struct stat *file);
const char *store_path(const struct store *s); // the writer's: absolute, behind all links

// ---- write: rows as the recorder has them. Strings and views are loans; an unset view.p is NULL
// in the row.

struct store_stream {
    unsigned char name[16];
    const char *software, *host, *pod, *namespace_, *workload, *node, *labels_json, *settings_json;
    int64_t pid, worker, started_us;
};
struct store_account {
    int64_t stored_c2s, stored_s2c, omitted_c2s, omitted_s2c;
};
struct store_flow {
    int64_t at_us, dial_us, dns_us;
    bool inbound;
    const char *front, *client, *local, *original, *requested, *target, *server, *server_local;
};
struct store_flow_end {
    int64_t flow, at_us, relayed_c2s, relayed_s2c, transactions, filtered;
    const char *reason, *detail;
    int first_speaker; // 0 nobody, 1 client, 2 server
    struct store_account account;
};
struct store_tls {
    int64_t flow, at_us;
    const char *mode, *sni, *alpn_offered, *versions_offered, *version, *cipher, *alpn;
    const char *why, *client_version, *client_cipher; // NULL is ""
    bool resumed, client_resumed;
    bool has_certificate; // the rest is of it; texts NULL are ""
    const char *subject, *issuer, *names;
    int64_t not_before_us, not_after_us;
    struct view fingerprint;
};
struct store_half {
    int end; // MessageEnd of record.proto: 0 absent, 1 complete, 2 cut, 3 until close
    int64_t first_us, last_us;
    int64_t wire, body_wire; // of wire: the body's, with its framing and its trailers
    struct view head, trailers, rhythm, interim;
    struct view body;   // when parts is 0
    struct view digest; // of the whole content; empty: the store makes it from body
    int64_t body_size, body_stored, parts;
    bool known; // body is not given: it is what the file has of digest, body_stored bytes of it
};
#define STORE_KNOWN_MAX (64 << 20) // of body_stored, with known
struct store_txn {
    int64_t flow, n;
    const char *protocol, *version, *method, *scheme, *host, *path, *query, *note, *redacted;
    int64_t status; // 0: none
    bool by_proxy;
    int64_t original;    // id in the capture that was played; 0: none
    const char *outcome; // NULL is ""
    struct store_half req, res;
    struct store_account account;
};
struct store_txn_open {
    int64_t flow, n, first_us, status;
    const char *protocol, *method, *scheme, *host, *path, *query;
};
struct store_part {
    int64_t flow, n, first_us, last_us, at;
    bool s2c;
    struct view bytes;
    struct view like; // when set: bytes is not given, and is the size bytes at `at` of the content
    int64_t size;     // of this digest; size is of no meaning otherwise
    struct store_account account;
};
#define STORE_LIKE_MAX WIRE_LIKE_MAX // of size
struct store_loss {
    int64_t flow; // 0: none
    const char *cause, *detail;
    int64_t transactions, flows, lost_c2s, lost_s2c, first_us, last_us;
};

// The stream of that name: made when it is new, its identity brought up to date when it is not.
// *last_seq: highest number committed. first_seq: the lowest number that its emitter can still
// send. Outside a batch.
int store_stream(struct store *s, const struct store_stream *st, uint64_t first_seq, int64_t *id,
                 uint64_t *last_seq) MUST_CHECK;

// A batch is one SQLite transaction. After store_commit() answers 0 its rows survive a loss of
// power. After any error within a batch, call store_rollback(): none of its rows is there. E_FULL:
// the disk is full; the same batch may be tried again. E_BUSY: somebody else holds the database
// locked for more than 5 s. E_EXISTS: a row of that key is there. E_NOTFOUND: the file was removed
// or replaced; what it held is out of reach, and only another store_open() helps.
int store_begin(struct store *s) MUST_CHECK;
int store_commit(struct store *s) MUST_CHECK;
void store_rollback(struct store *s);

// key: store_key(stream, seq). Flow numbers in the rows are keys as well. A body that the file has
// already is not written again.
//
// Content that is referred to (known, like) is looked for in the file, and in the files before it,
// which it may have gone to while the reference was under way; then it is copied. Only shared
// content is found of which at least WIRE_KNOWN_MIN bytes are stored (less: perhaps). Where nobody
// has it any more, the row is put without it, and the wire bytes that stood for it are a loss of
// the cause "content-gone" under the same key. Where an earlier file cannot be asked for now
// (E_BUSY, E_IO), the batch may be tried again; after some tries it counts as gone.
int store_put_flow(struct store *s, int64_t key, const struct store_flow *r) MUST_CHECK;
int store_put_flow_end(struct store *s, int64_t key, const struct store_flow_end *r) MUST_CHECK;
int store_put_tls(struct store *s, int64_t key, const struct store_tls *r) MUST_CHECK;
int store_put_txn(struct store *s, int64_t key, const struct store_txn *r) MUST_CHECK;
int store_put_txn_open(struct store *s, int64_t key, const struct store_txn_open *r) MUST_CHECK;
int store_put_part(struct store *s, int64_t key, const struct store_part *r) MUST_CHECK;
int store_put_loss(struct store *s, int64_t key, const struct store_loss *r) MUST_CHECK;
int store_put_restart(struct store *s, int64_t key, int64_t at_us, int64_t pid) MUST_CHECK;
int store_put_unknown(struct store *s, int64_t key, int64_t type, struct view bytes) MUST_CHECK;
// The stream's highest number in this batch; ended_us 0: it goes on.
int store_put_progress(struct store *s, int64_t stream, uint64_t last_seq,
                       int64_t ended_us) MUST_CHECK;

// Records of the last batch whose content was gone.
int64_t store_gone(const struct store *s);
// Bytes that were copied for references, in the batch at hand or the last one.
int64_t store_copied(const struct store *s);
// Whether its references were looked for in files before the live one.
bool store_asked_before(const struct store *s);

// Bytes of the file and its WAL now.
int64_t store_file_size(const struct store *s);

// Rotation: seals the file (checkpoint, no WAL left), renames PATH to PATH's stem with the next
// free number ("capture.db" → "capture-000001.db"), and goes on in a new PATH, with the streams and
// the flows that have not ended carried over. Outside a batch. A rotation that is cut short at any
// point is undone or ended by the next store_open(). sealed gets the new name of the old file;
// NULL: it is not wanted. E_BUSY: somebody has the file open, so it cannot be sealed now. s goes on
// with it, as after any other error; try again later. Where the file that it goes on with cannot be
// opened at once, store_begin() does, or says why not.
int store_rotate(struct store *s, char *sealed, size_t size) MUST_CHECK;

// ---- read

// A prepared statement. Values are loans until the next step.
struct store_query;
// One statement, with ?1, ?2 … bound later: E_SYNTAX with the column in store_why(). It only reads:
// a statement that writes is E_REFUSED. Readers know the SQL functions of functions.c besides
// SQLite's: header, headers, content_type, query_param, regexp, body_contains, body_matches.
int store_query(struct store *s, const char *sql, struct store_query **out) MUST_CHECK;
void store_query_free(struct store_query *q); // q may be NULL
int store_bind_int(struct store_query *q, int i, int64_t v) MUST_CHECK;
int store_bind_text(struct store_query *q, int i, struct view v) MUST_CHECK;
// Back to the start, to be stepped again; bound values stay and may be bound anew. For a query of
// store_query() only.
void store_rewind(struct store_query *q);
// 1: a row is there; 0: no more; E_….
int store_step(struct store_query *q) MUST_CHECK;
int store_columns(const struct store_query *q);
const char *store_column_name(const struct store_query *q, int i);
enum store_type { STORE_NULL, STORE_INT, STORE_REAL, STORE_TEXT, STORE_BLOB };
enum store_type store_column_type(const struct store_query *q, int i);
int64_t store_int(const struct store_query *q, int i); // 0 for NULL
double store_real(const struct store_query *q, int i);
struct view store_bytes(const struct store_query *q, int i); // text or blob; {NULL, 0} for NULL

// The columns that the next functions give: those of filter_fields up to FIELD_COLUMNS, and behind
// them these.
enum store_column {
    STORE_START_US = FIELD_COLUMNS,
    STORE_REQ_END_US,   // NULL: there was no request
    STORE_RES_START_US, // NULL: there was no answer
    STORE_END_US,
    STORE_REQ_BODY, // for store_body(); NULL: no content
    STORE_RES_BODY,
    STORE_REQ_STORED,
    STORE_RES_STORED,
    STORE_DIAL_US,
    STORE_DNS_US,
    STORE_COLUMNS
};

// A query over transactions, for the rows that the filter takes (NULL: all; it outlives the query),
// in the order given. limit 0: all. after_id: only rows of a higher id, 0: all; an id holds its
// stream, so a higher one is not a later one.
//
// Where the file proves damaged under way, the query goes on with all rows that can be read, in the
// same order, none twice. What belongs to a row and cannot be read is NULL. store_skipped() tells
// how many places could not be read (each may have held several rows). An error of store_step() is
// something else.
enum store_order { STORE_OLDEST_FIRST, STORE_NEWEST_FIRST, STORE_SLOWEST_FIRST, STORE_BY_ID };
int store_transactions(struct store *s, const struct filter *f, enum store_order order,
                       int64_t limit, int64_t after_id, struct store_query **out) MUST_CHECK;
int64_t store_skipped(const struct store_query *q);

// A filter (NULL: it takes all) as a condition on the columns of the view http AS h, in
// parentheses, with ?-numbers from first on: "SELECT … FROM http AS h WHERE … AND " + clause, which
// is appended to. Its values are bound to the query that was made of it.
int store_filter_clause(const struct filter *f, struct buf *clause, int first) MUST_CHECK;
int store_filter_bind(struct store_query *q, const struct filter *f, int first) MUST_CHECK;

// The files that come before s, a reader's, in its capture, the oldest first: for what began in
// them. Paths of other captures before these do no harm. They are opened when they are needed, one
// at a time; paths is a loan for as long as s is open.
void store_set_earlier(struct store *s, char *const *paths, size_t n);

// The content of a body (body.id) from its first byte on, piece by piece in memory that stays
// bounded. Its first pieces may come from the files before s. take answers 0 to go on. E_NOTFOUND:
// no such body; E_DAMAGED: a piece is missing; E_GONE: it began in a file that is none of those.
// Only what was stored is given.
int store_body(struct store *s, int64_t body, int (*take)(void *arg, struct view piece),
               void *arg) MUST_CHECK;
// The same, pulled: for a reader that cannot wait within a call, or reads several at once.
//
// Any number may be open on one store, each in memory of one slice. All are closed before the store
// is. While one is open, what it has not given yet may keep the file's state as it was when it was
// opened, and the file from being rotated.
#define STORE_SLICE (64 * 1024) // bytes of a piece
struct store_reader;
int store_reader_open(struct store *s, int64_t body, struct store_reader **out) MUST_CHECK;
// 1: the next piece, of at least 1 byte and at most STORE_SLICE, a loan until the next call; 0: the
// end; E_… as store_body(), again at each further call.
int store_reader_next(struct store_reader *r, struct view *piece) MUST_CHECK;
void store_reader_close(struct store_reader *r); // r may be NULL

// Each file that may have records of the flow, up to s: those before it that are there, the oldest
// first, and s at last. take answers 0 to go on; its other answers are returned. E_NOMEM.
int store_each_of_flow(struct store *s, int64_t flow, int (*take)(void *arg, struct store *in),
                       void *arg) MUST_CHECK;
// The same, pulled: the number of the first one; E_NOMEM.
int store_first_of_flow(struct store *s, int64_t flow, size_t *i) MUST_CHECK;
// The file of a number from there on: s is the last one, any other the caller's to close. NULL: it
// cannot be read, which is no reason not to go on.
struct store *store_file_of_flow(struct store *s, size_t i);

// ---- prove

enum verify_finding {
    VERIFY_DAMAGE, // a row, a page or the schema contradicts its checks
    VERIFY_HOLE,   // numbers of a stream that have no row
    VERIFY_LEDGER, // the sum of a flow is not what it relayed
    VERIFY_LOSS,   // declared: bytes or records that were not kept
    VERIFY_CUT,    // flows whose end is unknown, because the proxy's process died
    VERIFY_NOTE
};
#define VERIFY_FINDINGS_MAX 1000 // of a kind, but for losses, which are all told

struct verify_sums {
    int64_t streams, flows, flows_open, flows_cut, transactions, parts, bodies;
    int64_t flows_opened; // of flows: TLS ended with the proxy, and its content is what is counted
    int64_t streams_cut;  // that never said their end although nobody writes the file any more
    int64_t relayed[2], stored[2], omitted[2], lost[2]; // wire bytes of ended flows, C2S and S2C
    int64_t before[2]; // of stored: in files before the oldest one that is here
    int64_t begun;     // bodies that began there
    int64_t lost_transactions, lost_flows, filtered;
    int64_t holes, damages, unbalanced; // missing numbers; findings of damage; flows
};
// Recomputes everything from the rows: a packed file's groups, the file's structure and schema,
// each row's sum, each body's digest, the sequence of each stream, what refers to what, the ledger
// of each flow. found is called for each finding with a place ("txn 1099511627777", "stream 1
// seq 5..9") and a sentence; progress with 0..1000. Either may be NULL. 0: the sums are made,
// whatever was found. E_…: it could not go on at all. The file may be written to meanwhile: verify
// sees it as it was when it began.
//
// What earlier files of the capture hold of a flow was carried over with the flow (store_rotate),
// so a file is judged by itself, and the sums of several files add up. The files before it that are
// here (store_set_earlier()) are asked for content that began there, and the oldest of them for
// what it has from files that are not.
typedef void verify_found(void *arg, enum verify_finding what, const char *place,
                          const char *sentence);
int store_verify(struct store *s, struct verify_sums *sums, verify_found *found,
                 void (*progress)(void *arg, int permille), void *arg) MUST_CHECK;

// The seam between two files of a capture that follow each other: the same capture, no file between
// them, streams that go on at the next number, no open flow left behind. *flows: those that are
// open in the earlier file and carried into the later one, also where there is one between them. Of
// an error, of whichever of the two, the earlier one knows why.
int store_verify_seam(struct store *earlier, struct store *later, int64_t *flows,
                      verify_found *found, void *arg) MUST_CHECK;

#endif
