// fuzz_speak: what any two directions of bytes are heard as, said again by the speakers, must be
// heard as the same. The input is a dialogue_fuzz; its first byte also says how content is cut.
//
// What no connection does is left out: to say more behind an end. So is an end before a first byte,
// which no half tells of, but the guess may go by.
//
// Where the decoder gave up, the bytes of a framing that broke are in no half: what is said again
// may break at another place. And behind a switch of protocols the tap guesses by what came first,
// which the halves do not tell. There only the speakers must not refuse.
#include "tests/support/dialogue_fuzz.h"
#include "tests/support/retell.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dialogue said, again;
static struct retell *told, *heard;

static bool is_possible(const struct dialogue *d)
{
    size_t n[2] = {0};
    bool ended[2] = {false};
    for (size_t i = 0; i < d->count; i++) {
        const struct dialogue_step *s = &d->steps[i];
        if (s->what == STEP_END ? n[s->dir] == 0 : s->what == STEP_SAY && ended[s->dir])
            return false;
        n[s->dir] += s->bytes.n;
        ended[s->dir] = ended[s->dir] || s->what == STEP_END;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (!told) {
        dialogue_init(&said);
        dialogue_init(&again);
        told = retell_new();
        heard = retell_new();
    }
    dialogue_from_bytes(&said, view_n(data, size));
    if (!is_possible(&said))
        return 0;
    said.env.max = again.env.max = 1 << 20;
    said.env.sink = retell_sink(told, sink_log_sink(said.log));
    dialogue_play(&said, 0, 0);
    again.hint = said.hint ? said.hint : retell_hint(told);
    const char *name = retell_noted(told) ? NULL : "said again";
    int e = retell_once(told, heard, &again, data[0] >> 2, data[0] >> 5, true, name);
    if (e == E_DAMAGED && name && !retell_switched(told))
        abort();
    return 0;
}
