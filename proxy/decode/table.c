// table: every decoder that can be guessed, the most certain first. A new decoder is a file in this
// folder and a line here.
#include "proxy/decode/decode.h"

const struct decoder_ops *const decoder_table[] = {
    &decoder_tls,
    &decoder_http1,
    &decoder_starttls,
    NULL,
};
