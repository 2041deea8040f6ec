// identity: see identity.h. The application id says that it is a capture; a packed file has it in
// its own header (packed.h).
#include "schema/identity.h"

#include "schema/packed_vfs.h"
#include "schema/store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER PACKED_HEADER // and more than SQLITE_HEAD

int store_identity(struct store *s, struct store_identity *out)
{
    sqlite3_stmt *stmt;
    int rc = store_prepare(s, "SELECT name, number, previous FROM capture", &stmt);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    bool fine = rc == SQLITE_ROW && sqlite3_column_bytes(stmt, 0) == sizeof out->name;
    if (fine) {
        const unsigned char *previous = sqlite3_column_text(stmt, 2);
        memcpy(out->name, sqlite3_column_blob(stmt, 0), sizeof out->name);
        out->number = sqlite3_column_int64(stmt, 1);
        snprintf(out->previous, sizeof out->previous, "%s", previous ? (const char *)previous : "");
        out->packed = packed_vfs_file(s->db) != NULL;
    }
    sqlite3_finalize(stmt);
    if (!fine && store_error(s->db, rc) == E_NOMEM)
        return store_fail(s, rc, "reading the table capture");
    return fine ? 0 : store_refuse(s, E_DAMAGED, "the row of the table capture is damaged");
}

uint64_t store_identity_mark(const struct store_identity *id)
{
    struct row_sum sum;
    row_sum_begin(&sum);
    row_sum_blob(&sum, view_n(id->name, sizeof id->name));
    row_sum_int(&sum, id->number);
    uint64_t mark = (uint64_t)row_sum_end(&sum);
    return mark ? mark : 1;
}

static bool says_capture(const unsigned char header[HEADER])
{
    struct packed_header packed;
    const char *fault;
    if (sqlite_head_is(header))
        return sqlite_head_application(header) == STORE_APPLICATION;
    // A damaged one is a capture, too: there is nothing else that is packed so.
    int e = packed_header_get(header, &packed, &fault);
    return e == 0 ? packed.application == STORE_APPLICATION : e != E_UNSUPPORTED;
}

// 0; E_UNSUPPORTED: it is there and is none; others: it could not be looked at.
static int check_header(const char *path)
{
    unsigned char header[HEADER];
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno);
    ssize_t n =
        fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? pread(fd, header, sizeof header, 0) : 0;
    int e = n < 0 ? err_from_errno(errno) : 0;
    close(fd);
    if (e)
        return e;
    return n == (ssize_t)sizeof header && says_capture(header) ? 0 : E_UNSUPPORTED;
}

bool store_is_capture(const char *path)
{
    return check_header(path) == 0;
}

int store_identity_read(const char *path, struct store_identity *out, char why[WHY_MAX])
{
    struct store s = {
        .mode = STORE_READ, .busy_ms = STORE_BUSY_MS, .lock = -1, .file = -1, .path = strdup(path)};
    int e;
    store_configure();
    if (!s.path) {
        snprintf(why, WHY_MAX, "out of memory");
        return E_NOMEM;
    }
    e = check_header(path);
    if (e) {
        store_refuse(&s, e, "%s", e == E_UNSUPPORTED ? "not a capture" : err_text(e));
    } else {
        int rc = store_open_still(&s, &s.db);
        e = rc == SQLITE_OK ? store_identity(&s, out) : store_fail_handle(&s, rc);
    }
    snprintf(why, WHY_MAX, "%s", e ? s.why : "");
    sqlite3_close(s.db);
    free(s.path);
    return e;
}
