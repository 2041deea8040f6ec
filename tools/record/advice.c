// advice: see advice.h. A table: a row for each family of programs; the first whose name fits.
#include "tools/record/advice.h"

#include "proto/base/view.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MAX (256 << 20) // bytes of a program that are looked through
#define PIECE    65536

static const char go_text[] =
    "Go asks no proxy for localhost and loopback addresses, whatever NO_PROXY says: use another "
    "name or address of this machine; and a Transport of the program's own asks one only with "
    "Proxy: http.ProxyFromEnvironment";

static const struct {
    const char *names; // of the command, blanks around each; "name*" for those that begin so
    const char *text;
} rows[] = {
    {" node nodejs npm npx yarn pnpm corepack ts-node tsx ",
     "Node.js heeds HTTP_PROXY from 22.21 and 24 on, by NODE_USE_ENV_PROXY (node --version tells "
     "which it is); an older one needs undici's EnvHttpProxyAgent, or global-agent"},
    {" java mvn gradle gradlew sbt ant kotlin scala ",
     "Java's own clients heed the properties in JAVA_TOOL_OPTIONS; Apache's HttpClient does with "
     "useSystemProperties(), Netty and Reactor with proxyWithSystemProperties()"},
    {" go gofmt dlv ", go_text},
    {" python* pytest uvicorn gunicorn flask django-admin celery ipython ",
     "Python's urllib, requests and httpx heed HTTP_PROXY; aiohttp does with "
     "ClientSession(trust_env=True), http.client does not"},
    {" ruby* rails rake bundle irb puma ",
     "Ruby's Net::HTTP asks no proxy for localhost and loopback addresses: use another name or "
     "address of this machine"},
    {" php* composer artisan ",
     "PHP's curl functions heed HTTP_PROXY; file_get_contents() and streams take a proxy from "
     "their context alone"},
    {" dotnet ", ".NET's HttpClient heeds HTTP_PROXY, unless UseProxy is off or a Proxy is set"},
    {" docker podman nerdctl docker-compose kubectl ssh ",
     "what runs in a container, or on another machine, does not see these variables: tapedeck env "
     "prints them for there"},
    {" sudo su doas runuser ",
     "it takes the variables away: put it in front of tapedeck, as in sudo tapedeck record -- …"},
    {" chromium* chrome google-chrome* firefox* ",
     "browsers take localhost out themselves: Chromium records it with "
     "--proxy-server=$HTTPS_PROXY --proxy-bypass-list='<-loopback>', Firefox with "
     "network.proxy.allow_hijacking_localhost"},
    {" psql mysql mariadb redis-cli mongosh sqlite3 ",
     "it speaks no HTTP, so that it asks no HTTP proxy: --sidecar map=PORT=HOST:PORT makes a port "
     "that stands for its server"},
};

static const char other_text[] =
    "the program, or what it starts, may ignore HTTP_PROXY and HTTPS_PROXY, exempt localhost by "
    "itself, or speak no HTTP";

static bool fits(const char *names, struct view name)
{
    for (struct view rest = view_of(names + 1); rest.n > 0;) {
        size_t n = view_find(rest, ' ');
        struct view one = view_head(rest, n);
        bool begins = one.n > 0 && one.p[one.n - 1] == '*';
        if (begins ? view_starts(name, view_head(one, n - 1)) : view_eq(name, one))
            return true;
        rest = view_from(rest, n < rest.n ? n + 1 : n);
    }
    return false;
}

// Whether Go's linker made the file: it says so within. It is read, not mapped: it may be cut short
// meanwhile.
static bool is_go(const char *path)
{
    static const char mark[] = "\xff Go buildinf:";
    const size_t size = sizeof mark - 1;
    struct stat st;
    char piece[PIECE];
    bool found = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = -1;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = pread(fd, piece, sizeof piece, 0);
    if (n > 4 && memcmp(piece, "\177ELF", 4) == 0)
        for (off_t at = 0; !found && n >= (ssize_t)size && at < LOOK_MAX;) {
            found = memmem(piece, (size_t)n, mark, size) != NULL;
            at += n - (ssize_t)size + 1; // one may begin in this piece and end in the next
            n = pread(fd, piece, sizeof piece, at);
        }
    if (fd >= 0)
        close(fd);
    return found;
}

const char *advice_for(const char *command, const char *path)
{
    const char *slash = strrchr(command, '/');
    struct view name = view_of(slash ? slash + 1 : command);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (fits(rows[i].names, name))
            return rows[i].text;
    return is_go(path) ? go_text : other_text;
}
