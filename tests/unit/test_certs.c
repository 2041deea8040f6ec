// Pairs by host: which one is found, what a reload takes and what it leaves, finders in other
// threads meanwhile, and memory that runs out. The pairs are stand-ins: a file's text is the names
// that it is for, and "bad" one that cannot be used.
#include "proxy/tls/certs.h"

#include "tests/support/alloc.h"
#include "tests/support/tmp.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct tls_pair {
    atomic_uint holders;
    char names[128]; // ",a,b,"
};

static atomic_int alive, loaded;
static char dir[TMP_PATH], why[WHY_MAX];

// Whole, or the errno's E_; a real pair reads with libcrypto.
static int read_text(const char *path, char out[100])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return E_NOTFOUND;
    ssize_t n = read(fd, out, 99);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    return 0;
}

int tls_pair_load(struct tls_pair **out, const char *cert, const char *key, char text[WHY_MAX])
{
    char names[100], secret[100];
    *out = NULL;
    int r = read_text(cert, names) ? E_NOTFOUND : read_text(key, secret);
    if (!r && (strcmp(names, "bad") == 0 || strcmp(secret, "bad") == 0))
        r = E_SYNTAX;
    struct tls_pair *p = r ? NULL : malloc(sizeof *p);
    if (!p) {
        r = r ? r : E_NOMEM;
        snprintf(text, WHY_MAX, "%.200s: %s", cert, err_text(r));
        return r;
    }
    atomic_init(&p->holders, 1);
    snprintf(p->names, sizeof p->names, ",%s,", names);
    atomic_fetch_add(&alive, 1);
    atomic_fetch_add(&loaded, 1);
    *out = p;
    return 0;
}

struct tls_pair *tls_pair_keep(struct tls_pair *p)
{
    atomic_fetch_add(&p->holders, 1);
    return p;
}

void tls_pair_free(struct tls_pair *p)
{
    if (!p || atomic_fetch_sub(&p->holders, 1) > 1)
        return;
    atomic_fetch_sub(&alive, 1);
    free(p);
}

bool tls_pair_is_for(const struct tls_pair *p, const char *host)
{
    char wanted[300];
    snprintf(wanted, sizeof wanted, ",%s,", host);
    return strstr(p->names, wanted) != NULL;
}

static int setup(void **state)
{
    (void)state;
    tmp_make(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_remove(dir);
    assert_int_equal(alive, 0);
    return 0;
}

// The path of a file in the test's folder, written when text is given. Good for TMP_TURNS calls.
static const char *file(const char *name, const char *text)
{
    const char *path = tmp_in(dir, name);
    if (text)
        tmp_write(path, text, strlen(text));
    return path;
}

static struct tls_certs *certs_of(const struct tls_cert_files *files)
{
    struct tls_certs *c;
    if (tls_certs_new(&c, files, why)) {
        print_error("%s\n", why);
        fail();
    }
    return c;
}

// The names of the pair for a host, "" for none.
static const char *found(struct tls_certs *c, const char *host)
{
    static char names[128];
    struct tls_pair *p = tls_certs_find(c, host);
    snprintf(names, sizeof names, "%s", p ? p->names : "");
    tls_pair_free(p);
    return names;
}

static void test_by_name(void **state)
{
    const struct tls_cert_files files[] = {{NULL, file("1", "a,b"), file("k", "key")},
                                           {NULL, file("2", "c,b"), file("k", "key")},
                                           {NULL, file("3", "10.0.0.1"), file("k", "key")},
                                           {0}};
    struct tls_certs *c = certs_of(files);
    (void)state;
    assert_string_equal(found(c, "a"), ",a,b,");
    assert_string_equal(found(c, "b"), ",a,b,");
    assert_string_equal(found(c, "c"), ",c,b,");
    assert_string_equal(found(c, "C."), ",c,b,");
    assert_string_equal(found(c, "10.0.0.1"), ",10.0.0.1,");
    // The first for any other, and for a client that names none.
    assert_string_equal(found(c, "d"), ",a,b,");
    assert_string_equal(found(c, ""), ",a,b,");
    assert_string_equal(found(c, NULL), ",a,b,");
    tls_certs_free(c);
    tls_certs_free(NULL);
}

static void test_by_pattern(void **state)
{
    const struct tls_cert_files files[] = {{"*.Bank.example", file("1", "one"), file("k", "key")},
                                           {"10.0.0.1", file("2", "two"), file("k", "key")},
                                           {"[", NULL, NULL}};
    const struct tls_cert_files any[] = {
        files[0], {"*", file("2", "two"), file("k", "key")}, files[1], {0}};
    struct tls_certs *c = certs_of(files);
    (void)state;
    assert_string_equal(found(c, "a.bank.example"), ",one,");
    assert_string_equal(found(c, "A.B.bank.EXAMPLE."), ",one,");
    assert_string_equal(found(c, "bank.example"), "");
    assert_string_equal(found(c, "10.0.0.1"), ",two,");
    assert_string_equal(found(c, "10.0.0.2"), "");
    assert_string_equal(found(c, "one"), "");
    assert_string_equal(found(c, ""), "");
    tls_certs_free(c);
    c = certs_of(any);
    assert_string_equal(found(c, "a.bank.example"), ",one,");
    assert_string_equal(found(c, "else"), ",two,");
    tls_certs_free(c);
    c = certs_of(&any[3]);
    assert_string_equal(found(c, "else"), "");
    tls_certs_free(c);
}

static void refuse(const struct tls_cert_files *files, int error, const char *words)
{
    struct tls_certs *c;
    int r = tls_certs_new(&c, files, why);
    if (r != error || c || !strstr(why, words)) {
        print_error("%d %s\n", r, why);
        fail();
    }
}

static void test_refused(void **state)
{
    const char *cert = file("1", "a"), *key = file("k", "key"), *bad = file("bad", "bad");
    struct tls_cert_files many[CERTS_MAX + 2] = {0};
    (void)state;
    refuse((const struct tls_cert_files[]){{NULL, cert, key}, {NULL, bad, key}, {0}}, E_SYNTAX,
           "/bad: ");
    refuse((const struct tls_cert_files[]){{NULL, file("none", NULL), key}, {0}}, E_NOTFOUND,
           "/none: ");
    refuse((const struct tls_cert_files[]){{"b*d", cert, key}, {0}}, E_SYNTAX,
           "\"b*d\" is no host for ");
    refuse((const struct tls_cert_files[]){{"", cert, key}, {0}}, E_SYNTAX, "\"\" is no host");
    for (size_t i = 0; i < CERTS_MAX + 1; i++)
        many[i] = (struct tls_cert_files){NULL, cert, key};
    refuse(many, E_LIMIT, "at most 64");
    many[CERTS_MAX].cert = NULL;
    tls_certs_free(certs_of(many));
}

// What a reload says about a change.
static int reload(struct tls_certs *c, bool expected)
{
    bool changed = !expected;
    why[0] = '\0';
    int r = tls_certs_reload(c, &changed, why);
    assert_int_equal(changed, expected);
    assert_int_equal(r != 0, why[0] != '\0');
    return r;
}

static void test_reload(void **state)
{
    const struct tls_cert_files files[] = {
        {NULL, file("1", "a"), file("1k", "key")}, {NULL, file("2", "b"), file("2k", "key")}, {0}};
    struct tls_certs *c = certs_of(files);
    (void)state;
    struct tls_pair *used = tls_certs_find(c, "a");
    int before = loaded;
    assert_int_equal(reload(c, false), 0);
    assert_int_equal(loaded, before);
    // Replaced by another file, as tools do it.
    rename(file("new", "a,new"), files[0].cert);
    assert_int_equal(reload(c, true), 0);
    assert_string_equal(found(c, "a"), ",a,new,");
    assert_string_equal(found(c, "b"), ",b,");
    assert_string_equal(used->names, ",a,");
    assert_int_equal(reload(c, false), 0);
    // Written over.
    file("2", "b,longer");
    assert_int_equal(reload(c, true), 0);
    assert_string_equal(found(c, "b"), ",b,longer,");
    // Of the same length, at another time.
    const struct timespec times[2] = {{1, 1}, {1, 2}}, later[2] = {{1, 1}, {1, 3}};
    utimensat(AT_FDCWD, files[1].key, times, 0);
    assert_int_equal(reload(c, true), 0);
    utimensat(AT_FDCWD, files[1].key, later, 0);
    assert_int_equal(reload(c, true), 0);
    assert_int_equal(reload(c, false), 0);
    // One that cannot be used keeps all as they were, however often it is looked at.
    file("2k", "bad");
    file("1", "a,newest");
    assert_int_equal(reload(c, true), E_SYNTAX);
    assert_int_equal(reload(c, true), E_SYNTAX);
    assert_string_equal(found(c, "a"), ",a,new,");
    unlink(files[1].key);
    assert_int_equal(reload(c, true), E_NOTFOUND);
    assert_string_equal(found(c, "b"), ",b,longer,");
    file("2k", "key");
    assert_int_equal(reload(c, true), 0);
    assert_string_equal(found(c, "a"), ",a,newest,");
    assert_int_equal(reload(c, false), 0);
    tls_certs_free(c);
    assert_int_equal(alive, 1);
    tls_pair_free(used);
}

// As Kubernetes does it: the files are links into ..data, which is a link to a folder of a date.
static void test_links(void **state)
{
    (void)state;
    mkdir(file("..1", NULL), 0700);
    mkdir(file("..2", NULL), 0700);
    file("..1/tls.crt", "a");
    file("..2/tls.crt", "b");
    file("..1/tls.key", "key");
    file("..2/tls.key", "key");
    assert_int_equal(symlink("..1", file("..data", NULL)), 0);
    assert_int_equal(symlink("..data/tls.crt", file("tls.crt", NULL)), 0);
    assert_int_equal(symlink("..data/tls.key", file("tls.key", NULL)), 0);
    const struct tls_cert_files files[] = {{NULL, file("tls.crt", NULL), file("tls.key", NULL)},
                                           {0}};
    struct tls_certs *c = certs_of(files);
    assert_string_equal(found(c, "a"), ",a,");
    assert_int_equal(reload(c, false), 0);
    assert_int_equal(symlink("..2", file("..data_tmp", NULL)), 0);
    assert_int_equal(rename(file("..data_tmp", NULL), file("..data", NULL)), 0);
    assert_int_equal(reload(c, true), 0);
    assert_string_equal(found(c, "a"), ",b,");
    tls_certs_free(c);
}

static void test_without_memory(void **state)
{
    const struct tls_cert_files files[] = {
        {"*.a", file("1", "a"), file("k", "key")}, {NULL, file("2", "b"), file("k", "key")}, {0}};
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        struct tls_certs *c;
        bool changed;
        file("2", "b");
        alloc_fail_at(i);
        int r = tls_certs_new(&c, files, why), again = 0;
        if (r == 0) {
            unlink(files[1].cert);
            int fd = open(files[1].cert, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            assert_int_equal(write(fd, "changed", 7), 7);
            close(fd);
            again = tls_certs_reload(c, &changed, why);
            assert_string_equal(found(c, "x"), again ? ",b," : ",changed,");
        }
        failed = alloc_fail_end();
        assert_true(r == 0 || r == E_NOMEM);
        assert_true(again == 0 || again == E_NOMEM);
        assert_int_equal(failed, r || again);
        tls_certs_free(c);
        assert_int_equal(alive, 0);
    }
}

#define FINDERS 3

struct finder {
    struct tls_certs *certs;
    atomic_bool *stop;
    unsigned long wrong, right;
};

static void *find_on(void *arg)
{
    struct finder *f = arg;
    while (!atomic_load(f->stop)) {
        struct tls_pair *p = tls_certs_find(f->certs, "b");
        // One generation or the other, never a pair that is gone.
        if (p && tls_pair_is_for(p, "b"))
            f->right++;
        else
            f->wrong++;
        tls_pair_free(p);
    }
    return NULL;
}

static void *reload_on(void *arg)
{
    struct finder *f = arg;
    char text[WHY_MAX];
    bool changed;
    while (!atomic_load(f->stop))
        if (tls_certs_reload(f->certs, &changed, text))
            f->wrong++;
    return NULL;
}

static void test_finders_while_reloading(void **state)
{
    char fresh[TMP_PATH], place[TMP_PATH];
    const struct tls_cert_files files[] = {
        {NULL, file("1", "a"), file("k", "key")}, {NULL, file("2", "b"), file("k", "key")}, {0}};
    struct tls_certs *c = certs_of(files);
    tmp_path(fresh, dir, "new");
    tmp_path(place, dir, "2");
    atomic_bool stop = false;
    struct finder finders[FINDERS + 1];
    pthread_t threads[FINDERS + 1];
    (void)state;
    for (int i = 0; i <= FINDERS; i++) {
        finders[i] = (struct finder){.certs = c, .stop = &stop};
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < FINDERS ? find_on : reload_on, &finders[i]), 0);
    }
    for (int i = 0; i < 300; i++) {
        bool changed;
        tmp_write(fresh, i % 2 ? "b,odd" : "b,even", i % 2 ? 5 : 6);
        rename(fresh, place);
        assert_int_equal(tls_certs_reload(c, &changed, why), 0);
        assert_string_equal(found(c, "b"), i % 2 ? ",b,odd," : ",b,even,");
    }
    atomic_store(&stop, true);
    for (int i = 0; i <= FINDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(finders[i].wrong, 0);
    }
    tls_certs_free(c);
    assert_int_equal(alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_name),
        cmocka_unit_test(test_by_pattern),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_finders_while_reloading),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
