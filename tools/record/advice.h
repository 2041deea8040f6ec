// advice: what may be the reason when nothing came through.
#ifndef TAPEDECK_TOOLS_RECORD_ADVICE_H
#define TAPEDECK_TOOLS_RECORD_ADVICE_H

// A sentence or two for the command that was run: by its name, and by what kind of file stands at
// path. Static memory.
const char *advice_for(const char *command, const char *path);

#endif
