// sqlite_head: what the first bytes of an SQLite database say, as far as it is looked at without
// SQLite. Numbers there have the highest byte first.
#ifndef TAPEDECK_SCHEMA_SQLITE_HEAD_H
#define TAPEDECK_SCHEMA_SQLITE_HEAD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SQLITE_HEAD             100               // bytes
#define SQLITE_HEAD_MAGIC       "SQLite format 3" // with its NUL
#define SQLITE_HEAD_PAGE_SIZE   16                // where it stands, 2 bytes; 1 stands for 65536
#define SQLITE_HEAD_WRITE       18                // 1: rollback journal, 2: WAL
#define SQLITE_HEAD_APPLICATION 68                // 4 bytes

#define STORE_APPLICATION 0x54415045 // "TAPE": the application id of a capture

// first: the first 16 bytes of a file.
static inline bool sqlite_head_is(const void *first)
{
    return memcmp(first, SQLITE_HEAD_MAGIC, sizeof SQLITE_HEAD_MAGIC) == 0;
}

static inline uint32_t sqlite_head_application(const unsigned char head[SQLITE_HEAD])
{
    const unsigned char *p = head + SQLITE_HEAD_APPLICATION;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

#endif
