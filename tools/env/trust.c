// trust: see trust.h.
#include "tools/env/trust.h"

#include "proto/base/whole_file.h"
#include "tools/ca/ca.h"
#include "tools/ca/java.h"
#include "tools/ca/roots.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WGETRC_MAX (1u << 20) // bytes of the user's own
#define PUBLIC     0644 // certificates are no secret, and what runs as another user reads them

static const char *const names[] = {TRUST_ROOTS, TRUST_CA, TRUST_WGETRC, TRUST_JAVA};

static bool put_name(char out[PATH_MAX], const char *folder, const char *name)
{
    return snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX;
}

static int write_one(const char *folder, const char *name, const struct buf *content, unsigned mode)
{
    char why[WHY_MAX], path[PATH_MAX];
    if (!put_name(path, folder, name)) {
        cli_error("the name of the folder is too long");
        return CLI_FAILED;
    }
    if (whole_file_write(path, buf_view(content), why) != 0) {
        cli_error("%s", why);
        return CLI_FAILED;
    }
    if (chmod(path, mode) != 0) {
        cli_error("%s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    return CLI_OK;
}

static int write_roots(const char *folder, struct view ca, unsigned mode)
{
    char why[WHY_MAX];
    struct buf all;
    buf_init(&all, ROOTS_MAX + ca.n + 16);
    int e = roots_bundle(ca, &all, why), code = CLI_OK;
    if (e == E_NOTFOUND) {
        cli_error("%s; what is recorded can do without them", why);
        buf_reset(&all);
        e = buf_add_view(&all, ca);
        snprintf(why, sizeof why, "%s", err_text(e));
    }
    if (e) {
        cli_error("%s", why);
        code = CLI_FAILED;
    }
    code = code ? code : write_one(folder, TRUST_ROOTS, &all, mode);
    buf_clear(&all);
    return code;
}

// What the user has told wget, for us alone to read: there may be passwords in it.
static void add_own_wgetrc(struct buf *out)
{
    const char *given = getenv("WGETRC"), *home = getenv("HOME");
    char path[PATH_MAX], why[WHY_MAX];
    if (given && *given)
        snprintf(path, sizeof path, "%s", given);
    else if (!home || !put_name(path, home, ".wgetrc"))
        return;
    if (roots_read(path, WGETRC_MAX, out, why) != 0)
        buf_reset(out); // as a rule there is none
}

static int write_wgetrc(const char *folder, const char *roots, unsigned mode)
{
    struct buf text;
    buf_init(&text, WGETRC_MAX + 2 * PATH_MAX);
    if (!(mode & 077))
        add_own_wgetrc(&text);
    if (buf_len(&text) == 0)
        mode = PUBLIC;
    int e = buf_printf(&text, "\nca_certificate = %s\n", roots);
    if (e)
        cli_error("%s: %s", TRUST_WGETRC, err_text(e));
    int code = e ? CLI_FAILED : write_one(folder, TRUST_WGETRC, &text, mode);
    buf_clear(&text);
    return code;
}

// Where a store is kept from one time to the next, as keytool takes a second to make it: below
// $XDG_CACHE_HOME, or ~/.cache. false: nowhere.
static bool kept_store(struct view ca, char path[PATH_MAX])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char top[PATH_MAX], folder[PATH_MAX], id[JAVA_IDENTITY];
    if (java_identity(ca, id) != 0)
        return false;
    if (cache && *cache == '/')
        snprintf(top, sizeof top, "%s", cache);
    else if (!home || *home != '/' || !put_name(top, home, ".cache"))
        return false;
    if (!put_name(folder, top, "tapedeck") || (mkdir(top, 0700) != 0 && errno != EEXIST) ||
        (mkdir(folder, 0700) != 0 && errno != EEXIST))
        return false;
    return snprintf(path, PATH_MAX, "%s/cacerts-%.32s", folder, id) < PATH_MAX;
}

static int make_store(struct view ca, const char *alias, struct buf *out, char why[WHY_MAX])
{
    char path[PATH_MAX], ignored[WHY_MAX];
    bool keeps = kept_store(ca, path);
    if (keeps && roots_read(path, JAVA_STORE_MAX, out, why) == 0)
        return 0;
    buf_reset(out);
    int e = java_store(ca, alias, TRUST_PASSWORD, out, why);
    if (e == 0 && keeps && whole_file_write(path, buf_view(out), ignored) != 0)
        unlink(path); // it is made anew next time
    return e;
}

static int write_java(struct trust *t, const char *folder, struct view ca, const char *alias,
                      unsigned mode)
{
    char why[WHY_MAX];
    struct buf store;
    buf_init(&store, JAVA_STORE_MAX + 65536);
    int e = make_store(ca, alias, &store, why), code = CLI_OK;
    if (e == 0)
        code = write_one(folder, TRUST_JAVA, &store, mode);
    else
        *t->java = '\0';
    if (e && e != E_NOTFOUND)
        cli_error("Java goes without a trust store: %s", why);
    buf_clear(&store);
    return code;
}

int trust_write(struct trust *t, const char *folder, const char *seen, const struct options *o,
                bool java, unsigned mode)
{
    char alias[CA_ALIAS];
    struct buf ca;
    if (!put_name(t->roots, seen, TRUST_ROOTS) || !put_name(t->ca, seen, TRUST_CA) ||
        !put_name(t->wgetrc, seen, TRUST_WGETRC) || !put_name(t->java, seen, TRUST_JAVA)) {
        cli_error("the name of the folder is too long");
        return CLI_FAILED;
    }
    buf_init(&ca, ROOTS_MAX);
    int code = ca_certificate(o, &ca, alias);
    code = code ? code : write_one(folder, TRUST_CA, &ca, PUBLIC);
    code = code ? code : write_roots(folder, buf_view(&ca), PUBLIC);
    code = code ? code : write_wgetrc(folder, t->roots, mode);
    if (!code && java)
        code = write_java(t, folder, buf_view(&ca), alias, PUBLIC);
    else
        *t->java = '\0';
    buf_clear(&ca);
    return code;
}

void trust_remove(const char *folder)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (put_name(path, folder, names[i]))
            unlink(path);
}
