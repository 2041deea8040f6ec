// trust: see trust.h.
#include "tools/env/trust.h"

#include "proto/base/whole_file.h"
#include "tools/ca/ca.h"
#include "tools/ca/java.h"
#include "tools/ca/roots.h"
#include "tools/env/vars.h"
#include "tools/which.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WGETRC_MAX (1u << 20) // bytes of the user's own
#define PUBLIC     0644 // certificates are no secret, and what runs as another user reads them
#define KEPT_NAME  "cacerts-"
#define KEPT_MAX   8 // stores for Java that are kept: of so many Javas and authorities

static const char *const names[] = {TRUST_ROOTS, TRUST_CA, TRUST_WGETRC, TRUST_JAVA,
                                    TRUST_UPSTREAM};

// What is written, in the making.
struct texts {
    struct buf ca;       // our authority
    struct buf roots;    // the system's, and ours, and the user's own
    struct buf added;    // ours, and those that the user adds to a runtime's
    struct buf upstream; // those of the user that neither the system nor we brought
};

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
    if (whole_file_write_as(path, buf_view(content), mode, why) != 0) {
        cli_error("%s", why);
        return CLI_FAILED;
    }
    return CLI_OK;
}

static int no_memory(void)
{
    cli_error("%s", err_text(E_NOMEM));
    return CLI_FAILED;
}

// The system's and ours; ours alone, where the system's cannot be had.
static int take_roots(struct texts *x)
{
    char why[WHY_MAX];
    int e = roots_bundle(buf_view(&x->ca), &x->roots, why);
    if (e && e != E_NOMEM) {
        cli_error("%s; what is recorded can do without them", why);
        buf_reset(&x->roots);
        e = buf_add_view(&x->roots, buf_view(&x->ca));
    }
    e = e ? e : buf_add_view(&x->added, buf_view(&x->ca));
    return e ? no_memory() : CLI_OK;
}

// What the variables name that are to name our files stays trusted. $SSL_CERT_FILE is among the
// system's already, for us and for the proxy.
static int take_own(struct texts *x)
{
    char why[WHY_MAX];
    int e = 0;
    for (const struct vars_row *row = vars_table; row->name && e != E_NOMEM; row++) {
        const char *path = getenv(row->name);
        bool adds = strcmp(row->value, "{ca}") == 0;
        if (row->when != VARS_TLS || !path || !*path || strcmp(row->name, "SSL_CERT_FILE") == 0 ||
            (!adds && strcmp(row->value, "{roots}") != 0))
            continue;
        e = roots_add(path, &x->roots, &x->upstream, why);
        if (!e && adds)
            e = roots_add(path, &x->added, NULL, why);
        if (e && e != E_NOMEM)
            cli_error("%s is not heeded: %s", row->name, why);
    }
    return e == E_NOMEM ? no_memory() : CLI_OK;
}

static int write_texts(struct trust *t, const char *folder, struct texts *x)
{
    int code = write_one(folder, TRUST_CA, &x->added, PUBLIC);
    code = code ? code : write_one(folder, TRUST_ROOTS, &x->roots, PUBLIC);
    if (!put_name(t->upstream, folder, TRUST_UPSTREAM) || buf_len(&x->upstream) == 0) {
        unlink(t->upstream); // of another time
        *t->upstream = '\0';
        return code;
    }
    return code ? code : write_one(folder, TRUST_UPSTREAM, &x->upstream, PUBLIC);
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

// Whether a folder is there, or can be made, and is ours.
static bool is_ours(const char *folder, bool make)
{
    struct stat st;
    if (make && mkdir(folder, 0700) != 0 && errno != EEXIST)
        return false;
    return stat(folder, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

// Where stores are kept from one time to the next, as keytool takes a second to make one: below
// $XDG_CACHE_HOME, or ~/.cache. false: nowhere; so it is for root in another user's home.
static bool kept_folder(char folder[PATH_MAX])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char top[PATH_MAX];
    if (cache && *cache == '/')
        snprintf(top, sizeof top, "%s", cache);
    else if (!home || *home != '/' || !put_name(top, home, ".cache") || !is_ours(home, false))
        return false;
    return is_ours(top, true) && put_name(folder, top, "tapedeck") && is_ours(folder, true);
}

// The oldest ones go.
static void make_room(const char *folder)
{
    for (size_t n = KEPT_MAX; n >= KEPT_MAX;) {
        char path[PATH_MAX], oldest[PATH_MAX] = "";
        struct timespec its = {0};
        struct dirent *entry;
        struct stat st;
        DIR *d = opendir(folder);
        for (n = 0; d && (entry = readdir(d));) {
            if (strncmp(entry->d_name, KEPT_NAME, sizeof KEPT_NAME - 1) != 0 ||
                !put_name(path, folder, entry->d_name) || stat(path, &st) != 0)
                continue;
            if (n++ == 0 || st.st_mtim.tv_sec < its.tv_sec) {
                memcpy(oldest, path, sizeof path);
                its = st.st_mtim;
            }
        }
        if (d)
            closedir(d);
        if (n >= KEPT_MAX && unlink(oldest) != 0)
            return;
    }
}

static int make_store(struct view ca, const char *alias, struct buf *out, char why[WHY_MAX])
{
    char folder[PATH_MAX], path[PATH_MAX], id[JAVA_IDENTITY], ignored[WHY_MAX];
    bool keeps = java_identity(ca, id) == 0 && kept_folder(folder) &&
                 snprintf(path, PATH_MAX, "%s/" KEPT_NAME "%.32s", folder, id) < PATH_MAX;
    if (keeps && roots_read(path, JAVA_STORE_MAX, out, why) == 0)
        return 0;
    buf_reset(out);
    int e = java_store(ca, alias, TRUST_PASSWORD, out, why);
    if (e == 0 && keeps) {
        make_room(folder);
        (void)!whole_file_write(path, buf_view(out), ignored); // else it is made anew next time
    }
    return e;
}

// One that the user has named stays: what else is in it may be needed.
static bool has_store(const struct trust *t)
{
    static const char *const places[] = {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *text = getenv(places[i]);
        if (!text || !strstr(text, "-Djavax.net.ssl.trustStore=") || strstr(text, t->java))
            continue; // none, or the one that we write
        cli_error("%s names a trust store, which stays; where our authority is not in it, Java's "
                  "first connection to each TLS host fails",
                  places[i]);
        return true;
    }
    return false;
}

static bool has_java(void)
{
    const char *home = getenv("JAVA_HOME");
    char path[PATH_MAX];
    return (home && *home) || which_find("java", path);
}

static int write_java(struct trust *t, const char *folder, struct view ca, const char *alias)
{
    char why[WHY_MAX];
    struct buf store;
    buf_init(&store, JAVA_STORE_MAX);
    int e = make_store(ca, alias, &store, why), code = CLI_OK;
    if (e == 0)
        code = write_one(folder, TRUST_JAVA, &store, PUBLIC);
    else
        *t->java = '\0';
    if (e && (e != E_NOTFOUND || has_java()))
        cli_error("Java goes without a trust store, and its first connection to each TLS host "
                  "fails: %s",
                  why);
    buf_clear(&store);
    return code;
}

int trust_write(struct trust *t, const char *folder, const char *seen, const struct options *o,
                bool java, unsigned mode)
{
    char alias[CA_ALIAS];
    struct texts x;
    bool here = strcmp(folder, seen) == 0; // with this environment, and not in a container
    if (!put_name(t->roots, seen, TRUST_ROOTS) || !put_name(t->ca, seen, TRUST_CA) ||
        !put_name(t->wgetrc, seen, TRUST_WGETRC) || !put_name(t->java, seen, TRUST_JAVA)) {
        cli_error("the name of the folder is too long");
        return CLI_FAILED;
    }
    buf_init(&x.ca, ROOTS_MAX);
    buf_init(&x.roots, 2 * ROOTS_MAX);
    buf_init(&x.added, 2 * ROOTS_MAX);
    buf_init(&x.upstream, ROOTS_MAX);
    int code = ca_certificate(o, &x.ca, alias);
    code = code ? code : take_roots(&x);
    code = code || !here ? code : take_own(&x);
    code = code ? code : write_texts(t, folder, &x);
    code = code ? code : write_wgetrc(folder, t->roots, mode);
    if (!code && java && !(here && has_store(t)))
        code = write_java(t, folder, buf_view(&x.ca), alias);
    else
        *t->java = '\0';
    buf_clear(&x.ca);
    buf_clear(&x.roots);
    buf_clear(&x.added);
    buf_clear(&x.upstream);
    return code;
}

void trust_remove(const char *folder)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (put_name(path, folder, names[i]))
            unlink(path);
}
