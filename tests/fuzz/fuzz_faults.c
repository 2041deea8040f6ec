// A text of fault rules, as somebody wrote it: every mistake names a line and a column; what is
// accepted can be asked.
#include "tools/mock/faults.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fault_flow flow = {
        .direction = INBOUND, .front = "fixed", .requested = "", .target = "a:80"};
    static const struct fault_request request = {.protocol = "http",
                                                 .method = {"GET", 3},
                                                 .scheme = {"http", 4},
                                                 .host = {"a", 1},
                                                 .path = {"/x", 2},
                                                 .version = {"1.1", 3},
                                                 .head = {"GET /x HTTP/1.1\r\nA: b\r\n\r\n", 25},
                                                 .body = {"body", 4},
                                                 .size = 4};
    char why[WHY_MAX] = "", bytes[64] = "", names[FAULTS_NAMES];
    struct faults *f = faults_new(size);
    int e = f ? faults_set(f, "f.yaml", view_n(data, size), why) : 0;
    if (e && (strncmp(why, "f.yaml:", 7) != 0 || why[7] < '1' || why[7] > '9'))
        abort();
    for (int i = 0; f && !e && i < 4; i++) {
        struct fault_plan p;
        faults_of_request(f, &flow, &request, &p);
        if (!p.set != !p.kinds || p.delay_us < 0 || p.delay_us > FAULTS_DELAY_MAX)
            abort();
        if (p.kinds & FAULT_BIT(FAULT_CORRUPT))
            fault_corrupt(&p, sizeof bytes, 0, bytes, sizeof bytes);
        fault_plan_text(&p, names);
        fault_plan_clear(&p);
        faults_of_flow(f, &flow, &p);
        if (p.kinds & ~FAULT_BIT(FAULT_REFUSED))
            abort();
        fault_plan_clear(&p);
    }
    faults_free(f);
    return 0;
}
