// The filter language: any text is a tree or an error within the text; a tree can be evaluated.
#include "proto/filter.h"
#include "proxy/emit/filter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct filter *f;
    size_t column = 0;
    char why[WHY_MAX] = "";
    int e = filter_parse(view_n(data, size), 1767225600000000, &f, &column, why);
    if (e && (f || column > size || why[0] == 0))
        abort();
    struct filter_subject s;
    filter_subject_begin(&s);
    filter_know_text(&s, FIELD_HOST, VIEW_LIT("Api.example.com"));
    filter_know_text(&s, FIELD_REQ_HEADER,
                     VIEW_LIT("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"));
    filter_know_number(&s, FIELD_STATUS, 404);
    filter_know_absent(&s, FIELD_SNI);
    (void)filter_eval(filter_root(f), &s);
    (void)filter_fields_of(filter_root(f));
    filter_free(f);
    return 0;
}
