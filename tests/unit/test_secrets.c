// What the TLS of a process is made of, from options and files: what is made, what is refused and
// in which words, what is looked at again, and who gets the files.
#include "proto/config.h"
#include "proto/settings.h"
#include "proxy/secrets.h"
#include "proxy/tls/forge.h"
#include "proxy/tls/pass.h"
#include "tests/support/alloc.h"
#include "tests/support/pki.h"
#include "tests/support/tmp.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 12

static char dir[TMP_PATH], log_path[TMP_PATH], why[WHY_MAX];
static struct options *options;
static struct proxy_settings settings;
static int real_stderr;

static void copy(const char *from, const char *to, mode_t mode)
{
    size_t n;
    char *bytes = tmp_read(tmp_in(dir, from), &n), fresh[TMP_PATH];
    tmp_write(tmp_path(fresh, dir, "fresh"), bytes, n);
    assert_int_equal(chmod(fresh, mode), 0);
    assert_int_equal(rename(fresh, tmp_in(dir, to)), 0);
    free(bytes);
}

static void make_pair(const char *name, const struct pki *issuer, unsigned flags)
{
    char cert[64], key[64];
    struct pki p;
    snprintf(cert, sizeof cert, "%s.crt", name);
    snprintf(key, sizeof key, "%s.key", name);
    pki_make(&p, name, issuer, flags);
    pki_add_cert(tmp_in(dir, cert), &p);
    pki_add_key(tmp_in(dir, key), &p);
    assert_int_equal(chmod(tmp_in(dir, key), 0600), 0);
    pki_clear(&p);
}

static int begin(void **state)
{
    (void)state;
    tmp_make(dir);
    make_pair("ca.example", NULL, PKI_CA);
    make_pair("a.example", NULL, 0);
    make_pair("b.example", NULL, 0);
    tmp_write(tmp_in(dir, "text"), "nothing\n", 8);
    int fd = open(tmp_path(log_path, dir, "log"), O_CREAT | O_WRONLY | O_APPEND, 0600);
    real_stderr = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    return 0;
}

static int end(void **state)
{
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    tmp_remove(dir);
    options_free(options);
    options = NULL;
    return 0;
}

// How often text stands in the log.
static size_t logged(const char *text)
{
    size_t n, times = 0;
    char *log = tmp_read(log_path, &n);
    for (const char *at = log; (at = strstr(at, text)); at++)
        times++;
    free(log);
    return times;
}

// A "%" stands for the folder of the test.
static char *filled(const char *from, char *out, size_t size)
{
    size_t n = 0;
    *out = 0;
    for (; *from; from++) {
        if (*from == '%')
            n += (size_t)snprintf(out + n, size - n, "%s", dir);
        else
            n += (size_t)snprintf(out + n, size - n, "%c", *from);
    }
    return out;
}

static void take(const char *const *words)
{
    static char *none[] = {NULL}, text[WORDS_MAX][4 * TMP_PATH];
    char *argv[WORDS_MAX + 2] = {"tapedeck-proxy"};
    int argc = 1, rest;
    for (; words[argc - 1]; argc++)
        argv[argc] = filled(words[argc - 1], text[argc - 1], sizeof text[0]);
    options_free(options);
    options = options_new(settings_table, FOR_PROXY);
    if (config_load(options, argc, argv, none, &rest, why) ||
        settings_from(options, &settings, why))
        fail_msg("%s", why);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct secrets *secrets_of(const char *const *words, uint32_t owner)
{
    struct secrets *x;
    take(words);
    if (secrets_new(&x, &settings, owner, why))
        fail_msg("%s", why);
    return x;
}

static struct secure_env *worker_of(struct secrets *x)
{
    struct secure_env *env;
    if (secrets_worker(x, &env, why))
        fail_msg("%s", why);
    return env;
}

static void without_a_wish_there_is_nothing(void **state)
{
    (void)state;
    assert_null(secrets_of(WORDS("--proxy-type=dual"), 0));
    assert_int_equal(logged("\n"), 0);
    assert_null(secrets_of(WORDS("--proxy-type=dual", "--tls-ca-dir=%/none", "--tls-least=1.3",
                                 "--tls-keylog=%/keys", "--upstream-ca=%/text"),
                           0));
    assert_int_equal(secrets_way(NULL, OUTBOUND), SECURE_NEVER);
    assert_int_equal(access(tmp_in(dir, "none"), F_OK), -1);
    assert_int_equal(access(tmp_in(dir, "keys"), F_OK), -1);
    assert_int_equal(logged("\n"), 1);
    assert_int_equal(logged("without-effect=\"tls-ca-dir, upstream-ca, tls-keylog, tls-least\"\n"),
                     1);
    // Wishes that no listener can fulfil.
    assert_null(secrets_of(WORDS("--proxy-type=forward", "--tls-in-secret=%"), 0));
    assert_int_equal(logged("no effect without inbound traffic proxy-type=forward"), 1);
    assert_null(secrets_of(WORDS("--proxy-type=reverse", "--tls-out", "--tls-mutual=*=a,b"), 0));
    assert_int_equal(logged("tls-out has no effect without outbound traffic"), 1);
    assert_int_equal(logged("without-effect=\"tls-mutual\"\n"), 1);
}

static void interception_has_an_authority_and_no_dumps(void **state)
{
    struct stat st;
    struct rlimit r;
    struct tls_pair *leaf;
    (void)state;
    const char *const *words = WORDS("--proxy-type=dual", "--tls-out", "--tls-ca-dir=%/ca",
                                     "--upstream-ca=%/ca.example.crt", "--tls-keylog=%/keys",
                                     "--tls-pass=*.passed.example");
    struct secrets *x = secrets_of(words, 0);
    assert_int_equal(logged("a certificate authority was made"), 1);
    assert_int_equal(stat(tmp_in(dir, "ca/tapedeck-ca.key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(tmp_in(dir, "keys"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(logged("the secrets of tls connections are written down"), 1);
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &r), 0);
    assert_int_equal(r.rlim_max, 0);
    assert_int_equal(secrets_way(x, OUTBOUND), SECURE_INTERCEPT);
    assert_int_equal(secrets_way(x, INBOUND), SECURE_NEVER);

    struct secure_env *a = worker_of(x), *b = worker_of(x);
    assert_true(a->to_servers && a->to_clients && !a->to_callers && !a->to_workload);
    assert_true(!a->own && !a->pairs);
    assert_ptr_not_equal(a->forge, b->forge);
    assert_ptr_equal(a->pass, b->pass); // what one learns the other knows
    assert_int_equal(tls_forge_leaf(a->forge, "h.example", true, "", false, clock_wall_us(), &leaf),
                     0);
    assert_true(tls_pair_is_for(leaf, "h.example"));
    tls_pair_free(leaf);

    enum pass_cause cause;
    assert_true(tls_pass_look(a->pass, "x.passed.example", 443, 1, &cause));
    struct proxy_settings other = settings;
    other.tls.pass = ":99";
    secrets_apply(x, &other);
    assert_false(tls_pass_look(a->pass, "x.passed.example", 443, 1, &cause));
    assert_true(tls_pass_look(b->pass, "h", 99, 1, &cause));
    secrets_worker_free(a);
    secrets_worker_free(b);
    secrets_free(x);

    secrets_free(secrets_of(words, 0)); // with the same authority
    assert_int_equal(logged("a certificate authority was made"), 1);
    secrets_worker_free(NULL);
    secrets_free(NULL);
}

static void an_authority_may_be_mounted(void **state)
{
    (void)state;
    copy("ca.example.key", "mounted.key", 0640);
    struct secrets *x =
        secrets_of(WORDS("--proxy-type=dual", "--tls-out", "--tls-ca-cert=%/ca.example.crt",
                         "--tls-ca-key=%/mounted.key", "--upstream-verify=off"),
                   0);
    assert_int_equal(logged("others have access to a key option=\"tls-ca-key\""), 1);
    secrets_free(x);
}

static void termination_has_the_workloads_certificates(void **state)
{
    (void)state;
    copy("a.example.crt", "tls.crt", 0644);
    copy("a.example.key", "tls.key", 0644);
    struct secrets *x = secrets_of(WORDS("--proxy-type=dual", "--tls-in-secret=%",
                                         "--tls-in-ca=%/ca.example.crt", "--tls-in-upstream=tls",
                                         "--tls-mutual=*.bank=%/b.example.crt,%/b.example.key",
                                         "--upstream-ca=%/ca.example.crt", "--tls-least=1.0"),
                                   0);
    // As Kubernetes mounts it: that is told, and taken.
    assert_int_equal(logged("others have access to a key option=\"tls-in-secret\""), 1);
    assert_int_equal(secrets_way(x, INBOUND), SECURE_TERMINATE);
    assert_int_equal(secrets_way(x, OUTBOUND), SECURE_NEVER);
    struct secure_env *env = worker_of(x);
    assert_true(env->to_callers && env->to_workload && !env->to_servers && !env->forge);
    struct tls_pair *p = tls_certs_find(env->own, "whatever");
    assert_true(tls_pair_is_for(p, "a.example"));
    tls_pair_free(p);
    p = tls_certs_find(env->pairs, "my.bank");
    assert_true(tls_pair_is_for(p, "b.example"));
    tls_pair_free(p);
    assert_null(tls_certs_find(env->pairs, "other"));
    secrets_worker_free(env);
    secrets_free(x);
    x = secrets_of(WORDS("--proxy-type=reverse", "--tls-in-public=%/a.example.crt",
                         "--tls-in-private=%/a.example.key"),
                   0);
    env = worker_of(x);
    assert_true(env->to_callers && !env->to_workload && !env->pairs);
    secrets_worker_free(env);
    secrets_free(x);
}

static bool shows(struct tls_certs *c, const char *name)
{
    struct tls_pair *p = tls_certs_find(c, "");
    bool is = tls_pair_is_for(p, name);
    tls_pair_free(p);
    return is;
}

static void files_that_change_are_taken(void **state)
{
    (void)state;
    copy("a.example.crt", "tls.crt", 0644);
    copy("a.example.key", "tls.key", 0600);
    struct secrets *x = secrets_of(WORDS("--proxy-type=reverse", "--tls-in-secret=%"), 0);
    struct secure_env *env = worker_of(x);
    secrets_look(x);
    assert_int_equal(logged("certificates"), 0);
    copy("b.example.crt", "tls.crt", 0644); // the key comes later
    secrets_look(x);
    secrets_look(x);
    assert_true(shows(env->own, "a.example"));
    assert_int_equal(logged("the old ones stay option=\"tls-in-secret\" reason=\""), 1);
    assert_int_equal(logged("the key does not belong to the certificate"), 1);
    copy("text", "tls.crt", 0644);
    secrets_look(x);
    assert_int_equal(logged("there is no PEM certificate in it"), 1);
    copy("b.example.crt", "tls.crt", 0644);
    copy("b.example.key", "tls.key", 0600);
    secrets_look(x);
    secrets_look(x);
    assert_true(shows(env->own, "b.example"));
    assert_int_equal(logged("certificates were read again option=\"tls-in-secret\""), 1);
    copy("text", "tls.crt", 0644); // the same mistake again is told again
    secrets_look(x);
    assert_int_equal(logged("there is no PEM certificate in it"), 2);
    secrets_worker_free(env);
    secrets_free(x);
}

static void a_bad_file_is_one_line(void **state)
{
    static const struct {
        const char *words[5], *told;
    } cases[] = {
        {{"--tls-out", "--tls-ca-cert=%/none", "--tls-ca-key=%/none"},
         "tls-ca-cert, tls-ca-key: %/none: No such file"},
        {{"--tls-out", "--tls-ca-cert=%/a.example.crt", "--tls-ca-key=%/a.example.key"},
         "tls-ca-cert, tls-ca-key: %/a.example.crt: it is no certificate authority"},
        {{"--tls-out", "--tls-ca-dir=%/text"}, "tls-ca-dir: %/text"},
        {{"--tls-out", "--tls-ca-dir=%/made", "--upstream-ca=%/text"}, "upstream-ca: %/text: "},
        {{"--tls-out", "--tls-ca-dir=%/made", "--upstream-crl=%/none"}, "upstream-crl: %/none: "},
        {{"--tls-out", "--tls-ca-dir=%/made", "--tls-mutual=*=%/none,%/none"},
         "tls-mutual: %/none: No such file"},
        {{"--tls-out", "--tls-ca-dir=%/made", "--tls-mutual-secret=%/none"},
         "tls-mutual: %/none/tls.crt: No such file"},
        {{"--tls-out", "--tls-ca-dir=%/made", "--tls-keylog=%/open.key"},
         "tls-keylog: %/open.key: others can read"},
        {{"--tls-out", "--tls-ca-dir=%/made", "--tls-keylog=%/none/keys"},
         "tls-keylog: %/none/keys: No such file"},
        {{"--tls-in-secret=%/none"}, "tls-in-secret: %/none/tls.crt: No such file"},
        {{"--tls-in-public=%/a.example.crt", "--tls-in-private=%/b.example.key"},
         "tls-in-public, tls-in-private: %/b.example.key: the key does not belong"},
        {{"--tls-in-public=%/a.example.crt", "--tls-in-private=%/text"},
         "tls-in-public, tls-in-private: %/text: there is no PEM private key"},
        {{"--tls-in-public=%/a.example.crt", "--tls-in-private=%/a.example.key",
          "--tls-in-ca=%/text"},
         "tls-in-ca: %/text: "},
    };
    (void)state;
    copy("ca.example.key", "open.key", 0644);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct secrets *x;
        const char *words[8] = {"--proxy-type=dual"};
        char told[WHY_MAX] = "";
        for (size_t k = 0; k < 5; k++)
            words[k + 1] = cases[i].words[k];
        filled(cases[i].told, told, sizeof told);
        take(words);
        assert_int_not_equal(secrets_new(&x, &settings, 0, why), 0);
        assert_null(x);
        if (strncmp(why, told, strlen(told)) != 0 || strchr(why, '\n'))
            fail_msg("told: %s\nnot:  %s", why, told);
    }
}

static void owned(const char *name, uid_t owner)
{
    struct stat st;
    assert_int_equal(lstat(tmp_in(dir, name), &st), 0);
    if (st.st_uid != owner || st.st_gid != owner)
        fail_msg("%s belongs to %u", name, (unsigned)st.st_uid);
}

// What root makes for a proxy that goes on as another user is that user's.
static void files_are_given_to_the_user_to_come(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    const char *const *words = WORDS("--proxy-type=forward", "--tls-out", "--tls-ca-dir=%/ca",
                                     "--tls-keylog=%/keys", "--upstream-verify=off");
    secrets_free(secrets_of(words, 2102));
    owned("ca", 2102);
    owned("ca/tapedeck-ca.key", 2102);
    owned("ca/tapedeck-ca.crt", 2102);
    owned("keys", 2102);
    secrets_free(secrets_of(words, 2103)); // what is there already stays whose it is
    owned("ca", 2102);
    owned("ca/tapedeck-ca.key", 2102);
    owned("keys", 2102);
    assert_int_equal(mkdir(tmp_in(dir, "mine"), 0700), 0);
    secrets_free(secrets_of(
        WORDS("--proxy-type=forward", "--tls-out", "--tls-ca-dir=%/mine", "--upstream-verify=off"),
        2102));
    owned("mine", 0);
    owned("mine/tapedeck-ca.key", 2102);
}

static void without_memory_it_does_not_begin(void **state)
{
    (void)state;
    take(WORDS("--proxy-type=dual", "--tls-out", "--tls-ca-cert=%/ca.example.crt",
               "--tls-ca-key=%/ca.example.key", "--tls-in-public=%/a.example.crt",
               "--tls-in-private=%/a.example.key", "--tls-in-upstream=tls",
               "--tls-mutual=*=%/b.example.crt,%/b.example.key", "--tls-in-ca=%/ca.example.crt",
               "--upstream-ca=%/ca.example.crt", "--tls-keylog=%/keys"));
    for (long i = 0, failed = 1; failed; i++) {
        struct secrets *x;
        struct secure_env *env = NULL;
        alloc_fail_at(i);
        int e = secrets_new(&x, &settings, 0, why);
        if (e == 0)
            e = secrets_worker(x, &env, why);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        if (e)
            assert_non_null(strstr(why, "memory"));
        secrets_worker_free(env);
        secrets_free(x);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(without_a_wish_there_is_nothing),     WITH(interception_has_an_authority_and_no_dumps),
        WITH(an_authority_may_be_mounted),         WITH(termination_has_the_workloads_certificates),
        WITH(files_that_change_are_taken),         WITH(a_bad_file_is_one_line),
        WITH(files_are_given_to_the_user_to_come), WITH(without_memory_it_does_not_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
