// ask: questions about a capture, put to SQLite itself, as anybody would.
#ifndef TAPEDECK_TESTS_ASK_H
#define TAPEDECK_TESTS_ASK_H

#include <stdbool.h>

// The rows of a query: values joined by '|', rows by a space, NULL as "NULL". Static memory. An
// error ends the test.
const char *ask(const char *file, const char *sql);
// Changes the file behind the store's back.
void ask_change(const char *file, const char *sql);
// The file begins as a packed one does.
bool ask_is_packed(const char *file);
// The capture is without damage, holes, or ledgers that do not add up.
void ask_sound(const char *file);

#endif
