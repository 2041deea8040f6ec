// csv: see the header. A field is quoted where a reader could take it for something else: with a
// comma, a quote, an end of line, or a blank at an end.
#include "tools/csv.h"

#include "tools/jsonw.h"

#include <math.h>

void csv_field(FILE *out, struct view v, bool first)
{
    bool quoted = v.n > 0 && (v.p[0] == ' ' || v.p[v.n - 1] == ' ');
    for (size_t i = 0; i < v.n && !quoted; i++)
        quoted = v.p[i] == '"' || v.p[i] == ',' || v.p[i] == '\r' || v.p[i] == '\n';
    if (!first)
        putc_unlocked(',', out);
    if (!quoted) {
        fwrite_unlocked(v.p ? v.p : "", 1, v.n, out);
        return;
    }
    putc_unlocked('"', out);
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '"')
            putc_unlocked('"', out);
        putc_unlocked(v.p[i], out);
    }
    putc_unlocked('"', out);
}

void csv_end(FILE *out)
{
    fputs_unlocked("\r\n", out);
}

void csv_column(FILE *out, const struct store_query *q, int i, bool first)
{
    struct jsonw w;
    enum store_type type = store_column_type(q, i);
    if (type == STORE_REAL && !isfinite(store_real(q, i))) {
        csv_field(out, store_real(q, i) > 0 ? VIEW_LIT("Inf") : VIEW_LIT("-Inf"), first);
        return;
    }
    switch (type) {
    case STORE_INT:
    case STORE_REAL:
        if (!first)
            putc_unlocked(',', out);
        jsonw_init(&w, out);
        if (type == STORE_INT)
            jsonw_int(&w, NULL, store_int(q, i));
        else
            jsonw_real(&w, NULL, store_real(q, i));
        return;
    case STORE_TEXT:
    case STORE_BLOB:
        csv_field(out, store_bytes(q, i), first);
        return;
    case STORE_NULL:
        csv_field(out, (struct view){0}, first);
    }
}
