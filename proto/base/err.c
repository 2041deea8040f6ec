// err: words for error numbers, and numbers for what the system says.
#include "proto/base/err.h"

#include <errno.h>
#include <stdio.h>

static const char *const texts[] = {
    [-E_OK] = "no error",
    [-E_NOMEM] = "out of memory",
    [-E_AGAIN] = "not ready yet",
    [-E_EOF] = "end of input",
    [-E_RESET] = "connection reset by the peer",
    [-E_LIMIT] = "limit reached",
    [-E_SYNTAX] = "bad syntax",
    [-E_RANGE] = "value out of range",
    [-E_NOTFOUND] = "not found",
    [-E_EXISTS] = "already there",
    [-E_BUSY] = "in use by somebody else",
    [-E_FULL] = "no space left",
    [-E_DAMAGED] = "damaged",
    [-E_VERSION] = "made by another version",
    [-E_REFUSED] = "refused",
    [-E_TIMEOUT] = "timed out",
    [-E_UNREACHABLE] = "unreachable",
    [-E_LOOP] = "leads back to ourselves",
    [-E_UNSUPPORTED] = "not supported",
    [-E_IO] = "input/output error",
    [-E_GONE] = "gone",
};

const char *err_text(int e)
{
    size_t i = (size_t)(-(long)e);
    return e <= 0 && i < sizeof texts / sizeof texts[0] ? texts[i] : "unknown error";
}

int err_no_memory(char *why, size_t size)
{
    snprintf(why, size, "%s", err_text(E_NOMEM));
    return E_NOMEM;
}

const char *err_full_text(int errnum)
{
    return errnum == EFBIG ? "a limit of the size of files is met (ulimit -f)"
                           : "no space left on its file system";
}

int err_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return E_OK;
    case ENOMEM:
    case ENOBUFS:
        return E_NOMEM;
    case EAGAIN:
    case EINTR:
    case EINPROGRESS:
    case EALREADY:
        return E_AGAIN;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return E_RESET;
    case EMFILE:
    case ENFILE:
        return E_LIMIT;
    case ENOENT:
    case ENOTDIR:
        return E_NOTFOUND;
    case EEXIST:
        return E_EXISTS;
    case EADDRINUSE:
    case EBUSY:
    case ETXTBSY:
        return E_BUSY;
    case ENOSPC:
    case EDQUOT:
        return E_FULL;
    case ECONNREFUSED:
    case EACCES:
    case EPERM:
    case EROFS:
        return E_REFUSED;
    case ENAMETOOLONG:
    case ELOOP:
        return E_RANGE;
    case ETIMEDOUT:
        return E_TIMEOUT;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
        return E_UNREACHABLE;
    case EAFNOSUPPORT:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case ENOSYS:
        return E_UNSUPPORTED;
    default:
        return E_IO;
    }
}
