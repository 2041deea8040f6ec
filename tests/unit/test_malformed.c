// Malformed HTTP and SOCKS, one file an input: what each comes to stands in the manifests of
// golden/malformed/, which explain themselves.
#include "tests/support/talk.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOLDER "golden/malformed/"
#define FIELDS 4

static struct talk t;
static int files, wrong;

// Cuts a line of a manifest into its fields; 0 for a comment.
static int cut(char *line, char *fields[FIELDS])
{
    int n = 0;
    char *rest = line;
    if (*line == '#')
        return 0;
    for (char *word; n < FIELDS && (word = strsep(&rest, " \n"));)
        if (*word)
            fields[n++] = word;
    return n;
}

static void each_line(const char *manifest, int count, void (*check)(char *fields[FIELDS]))
{
    FILE *f = fopen(manifest, "r");
    char line[1024], *fields[FIELDS];
    assert_non_null(f);
    files = wrong = 0;
    while (fgets(line, sizeof line, f)) {
        int n = cut(line, fields);
        if (n == 0)
            continue;
        assert_int_equal(n, count);
        check(fields);
        files++;
    }
    fclose(f);
    printf("%d inputs\n", files);
    assert_int_equal(wrong, 0);
}

static char *load(const char *folder, const char *name, struct view *out)
{
    char path[512];
    size_t n;
    snprintf(path, sizeof path, FOLDER "%s/%s", folder, name);
    char *bytes = tmp_read(path, &n);
    *out = view_n(bytes, n);
    return bytes;
}

static void compare(const char *file, const char *what, const char *got, const char *wanted)
{
    if (strcmp(got, wanted) == 0)
        return;
    print_error("%s: %s is %s, not %s\n", file, what, got, wanted);
    wrong++;
}

// The last verdict of the log in the manifest's words.
static const char *verdict_of(const struct buf *log, char out[128])
{
    struct view v = buf_view(log);
    size_t at = v.n - 1;
    while (at > 0 && v.p[at - 1] != '\n')
        at--;
    struct view last = view_n(v.p + at, v.n - 1 - at);
    if (view_starts(last, VIEW_LIT("refuse "))) {
        last = view_from(last, sizeof "refuse " - 1);
        snprintf(out, 128, "refuse:%.*s", (int)view_find(last, ' '), last.p);
    } else {
        snprintf(out, 128, "%.*s", (int)last.n, last.p);
    }
    return out;
}

static const char *status_of(const struct buf *heard, char out[8])
{
    struct view v = buf_view(heard);
    snprintf(out, 8, "-");
    for (size_t at = 0; at + 12 <= v.n; at++)
        if (memcmp(v.p + at, "HTTP/1.", 7) == 0 && v.p[at + 8] == ' ' && v.p[at + 9] < 'A')
            snprintf(out, 8, "%.3s", v.p + at + 9);
    return out;
}

static void check_http(char *fields[FIELDS])
{
    const char *file = fields[0], *mode = fields[1];
    char text[128];
    struct view bytes;
    char *memory = load("http", file, &bytes);
    bool answer = strcmp(mode, "answer") == 0;
    talk_init(&t, &front_http);
    t.conf.fixed_target = strcmp(mode, "forward") != 0;
    assert_int_equal(hostport_parse(&t.conf.target, VIEW_LIT("app:8080"), 0), 0);
    t.client = answer ? VIEW_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n") : bytes;
    t.answers[0] = answer ? bytes : VIEW_LIT("");
    talk_everywhere(&t);
    compare(file, "the verdict", verdict_of(&t.log, text), fields[2]);
    compare(file, "the status", status_of(&t.to_client, text), fields[3]);
    // What was refused has left nothing for a server.
    if (view_starts(buf_view(&t.log), VIEW_LIT("refuse")))
        compare(file, "the server's part", buf_len(&t.to_server) ? "something" : "nothing",
                "nothing");
    talk_clear(&t);
    free(memory);
}

static void check_socks(char *fields[FIELDS])
{
    const char *file = fields[0];
    char text[128], hex[256] = "-";
    struct view bytes;
    char *memory = load("socks", file, &bytes);
    assert_non_null(front_by_first_byte((unsigned char)bytes.p[0]));
    talk_init(&t, front_by_first_byte((unsigned char)bytes.p[0]));
    t.client = bytes;
    talk_everywhere(&t);
    compare(file, "the verdict", verdict_of(&t.log, text), fields[1]);
    struct view said = buf_view(&t.to_client);
    for (size_t i = 0; i < said.n; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)said.p[i]);
    compare(file, "the reply", hex, fields[2]);
    compare(file, "the server's part", buf_len(&t.to_server) ? "something" : "nothing", "nothing");
    talk_clear(&t);
    free(memory);
}

static void http(void **state)
{
    (void)state;
    each_line(FOLDER "http.manifest", 4, check_http);
    assert_true(files >= 200);
}

static void socks(void **state)
{
    (void)state;
    each_line(FOLDER "socks.manifest", 3, check_socks);
    assert_true(files >= 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(http), cmocka_unit_test(socks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
