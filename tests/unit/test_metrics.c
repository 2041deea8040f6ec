// The metrics page: every counter once, sums over workers, a form that Prometheus reads.
#include "proxy/metrics.h"

#include "proto/base/clock.h"
#include "proxy/tls/pass.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char *page(const struct stats *a, const struct stats *b, int64_t wall_us)
{
    const struct stats *both[] = {a, b};
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(metrics_text(both, 2, wall_us, &text), 0);
    assert_int_equal(buf_add(&text, "", 1), 0);
    return text.p;
}

static void has(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    if (!at || (at > text && at[-1] != '\n') || at[strlen(line)] != '\n')
        fail_msg("no line \"%s\" in:\n%s", line, text);
}

static void sums_over_workers(void **state)
{
    struct stats a = {.flows_opened = {1, 2}, .bytes = {10, 20}, .ring_used = 5};
    struct stats b = {.flows_opened = {3, 4}, .bytes = {1, 2}, .ring_used = 6};
    (void)state;
    a.lost_transactions[1] = 7;
    b.lost_bytes[4] = 9;
    b.lost_bytes[7] = 3;
    a.added_us_sum = 1500000;
    a.added_us_count = b.added_us_count = 2;
    a.oldest_unacked_us = 90 * US_PER_S;
    b.oldest_unacked_us = (uint64_t)(98.5 * US_PER_S);
    char *text = page(&a, &b, 100 * US_PER_S);
    has(text, "tapedeck_flows_total{listener=\"in\"} 4");
    has(text, "tapedeck_flows_total{listener=\"out\"} 6");
    has(text, "tapedeck_bytes_total{dir=\"c2s\"} 11");
    has(text, "tapedeck_bytes_total{dir=\"s2c\"} 22");
    has(text, "tapedeck_lost_transactions_total{cause=\"ring-full\"} 7");
    has(text, "tapedeck_lost_bytes_total{cause=\"redaction-failed\"} 9");
    has(text, "tapedeck_lost_bytes_total{cause=\"budget-full\"} 3");
    assert_null(strstr(text, "cause=\"\"")); // numbers of causes that no proxy has
    has(text, "tapedeck_added_latency_seconds_sum 1.500000");
    has(text, "tapedeck_added_latency_seconds_count 4");
    has(text, "tapedeck_ring_used_bytes 11");
    has(text, "tapedeck_recorder_lag_seconds 10.000000");
    free(text);
}

static void tls_is_counted_by_side_and_cause(void **state)
{
    struct stats a = {.tls = {{1, 2, 3}, {4, 5, 6}}, .tls_minted = 7, .tls_passed = {8, 9}}, b = a;
    char line[128];
    (void)state;
    b.tls_passed[STATS_PASSED_ODD] = 10;
    char *text = page(&a, &b, 1);
    has(text, "tapedeck_tls_handshakes_total{side=\"client\",result=\"full\"} 2");
    has(text, "tapedeck_tls_handshakes_total{side=\"client\",result=\"failed\"} 6");
    has(text, "tapedeck_tls_handshakes_total{side=\"server\",result=\"resumed\"} 10");
    has(text, "tapedeck_tls_minted_total 14");
    has(text, "tapedeck_tls_passed_total{cause=\"rule\"} 16");
    has(text, "tapedeck_tls_passed_total{cause=\"odd-hello\"} 10");
    for (int cause = PASS_RULE; cause <= PASS_PROTOCOL; cause++) {
        snprintf(line, sizeof line, "tapedeck_tls_passed_total{cause=\"%s\"} %d",
                 tls_pass_cause_text((enum pass_cause)cause), cause < 2 ? 16 + 2 * cause : 0);
        has(text, line);
    }
    assert_int_equal(PASS_PROTOCOL + 1, STATS_PASSED_ODD);
    free(text);
}

static void every_sample_has_help_and_type(void **state)
{
    struct stats a = {0}, b = {0};
    (void)state;
    char *text = page(&a, &b, 1), family[128] = "";
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        if (strncmp(line, "# HELP ", 7) == 0) {
            size_t n = strcspn(line + 7, " ");
            memcpy(family, line + 7, n);
            family[n] = 0;
            assert_int_equal(line[strlen(line) - 1], '.');
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_int_equal(strncmp(line + 7, family, strlen(family)), 0);
        } else {
            assert_int_equal(strncmp(line, family, strlen(family)), 0);
            assert_true(isdigit((unsigned char)line[strlen(line) - 1]));
        }
    }
    free(text);
}

static void nothing_unacknowledged_is_no_lag(void **state)
{
    struct stats a = {0}, b = {.oldest_unacked_us = 50};
    (void)state;
    char *text = page(&a, &b, 40);
    has(text, "tapedeck_recorder_lag_seconds 0.000000");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_over_workers),
        cmocka_unit_test(tls_is_counted_by_side_and_cause),
        cmocka_unit_test(every_sample_has_help_and_type),
        cmocka_unit_test(nothing_unacknowledged_is_no_lag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
