// progress: at most ten times a second, and nothing during the first second.
//
// There is one stderr, so there is one line: whether it is there belongs to the program, not to the
// work that drew it.
#include "tools/progress.h"

#include "proto/base/clock.h"

#include <unistd.h>

static bool progress_visible;

void progress_init(struct progress *p, const char *what, FILE *out)
{
    *p = (struct progress){.what = what, .started = clock_mono_us()};
    p->on = isatty(STDERR_FILENO) == 1 && !(out && isatty(fileno(out)) == 1);
}

static bool due(struct progress *p)
{
    if (!p->on)
        return false;
    int64_t now = clock_mono_us();
    if (now - p->started < US_PER_S || now - p->shown < 100 * US_PER_MS)
        return false;
    p->shown = now;
    progress_visible = true;
    return true;
}

void progress_count(struct progress *p, int64_t done)
{
    if ((done & 255) == 0 && due(p))
        fprintf(stderr, "\r\033[K%lld %s …", (long long)done, p->what);
}

void progress_permille(struct progress *p, int permille)
{
    if (due(p))
        fprintf(stderr, "\r\033[K%s %d.%d %%", p->what, permille / 10, permille % 10);
}

void progress_end(struct progress *p)
{
    p->on = false;
    progress_hide();
}

void progress_hide(void)
{
    if (progress_visible)
        fputs("\r\033[K", stderr);
    progress_visible = false;
}
