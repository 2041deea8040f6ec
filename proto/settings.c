// settings: the options of the proxy, the recorder, the mock, and `tapedeck run` and `tapedeck
// mock`, in the order in which --help and the documentation list them. The three spellings of one
// option (--proxy-in-port, TAPEDECK_PROXY_IN_PORT, the annotation) all follow from the name here.
//
// Rules that tie two options together (which protocol goes with which type) are not here but where
// the values are used: proxy/mode.c, and the settings of each program.
#include "proto/settings.h"

#include "proto/base/clock.h"

#include <stdio.h>

// What a proxy takes a mock takes as well, and what run takes, mock; but for where the table has a
// row of its own for it.
#define P (FOR_PROXY | FOR_MOCK)
#define R FOR_RECORDER
#define X (FOR_RUN | FOR_MOCK_RUN)
#define M FOR_MOCK
#define K FOR_MOCK_RUN

#define KIB 1024LL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

#define MINUTE (60 * US_PER_S)
#define DAY    (24 * 60 * MINUTE)
#define YEAR   (365 * DAY)

#define LIVE   OPT_RELOADABLE
#define ANNOTE OPT_ANNOTATION

const struct option_def settings_table[] = {
#include "proto/settings_mock.def"

    // where traffic comes from and goes to
    {.name = "proxy-type",
     .type = OPT_CHOICE,
     .initial = "transparent",
     .choices = "transparent|reverse|forward|dual",
     .unit = "TYPE",
     .flags = ANNOTE,
     .programs = P | FOR_RUN,
     .sentence = "How traffic reaches the proxy: redirected by the kernel (transparent), sent to "
                 "it in place of the workload (reverse), sent to it by the workload (forward), or "
                 "both of these (dual). This version does not redirect: choose one of the others."},
    {.name = "proxy-protocol",
     .type = OPT_CHOICE,
     .initial = "http",
     .choices = "tcp|http|socks|tcp:http|tcp:socks",
     .unit = "PROTOCOL",
     .flags = ANNOTE,
     .programs = P | FOR_RUN,
     .sentence = "How clients say where they want to go; with a colon: inbound, then outbound. "
                 "reverse takes tcp, http and socks; forward takes http and socks; dual takes "
                 "http, socks, tcp:http and tcp:socks; for transparent it has no meaning."},
    {.name = "proxy-host",
     .type = OPT_TEXT,
     .initial = "localhost",
     .max = 255,
     .unit = "HOST",
     .flags = ANNOTE,
     .programs = P | X,
     .sentence = "Host that inbound traffic is sent on to, a name or an address (reverse, dual)."},
    {.name = "proxy-port",
     .type = OPT_NUMBER,
     .initial = "80",
     .min = 1,
     .max = 65535,
     .unit = "PORT",
     .flags = ANNOTE,
     .programs = P | X,
     .sentence = "Port that inbound traffic is sent on to (reverse, dual)."},
    {.name = "proxy-in-port",
     .type = OPT_NUMBER,
     .initial = "4143",
     .max = 65535,
     .unit = "PORT",
     .flags = ANNOTE,
     .programs = P | X,
     .sentence = "Port of the inbound listener; 0 takes any free one."},
    {.name = "proxy-out-port",
     .type = OPT_NUMBER,
     .initial = "4140",
     .max = 65535,
     .unit = "PORT",
     .flags = ANNOTE,
     .programs = P | X,
     .sentence = "Port of the outbound listener; 0 takes any free one."},
    {.name = "map",
     .type = OPT_TEXT,
     .max = 384,
     .unit = "LISTEN=TARGET",
     .flags = OPT_REPEATS,
     .programs = P | X,
     .sentence = "A further outbound listener that stands for one server, for clients that know no "
                 "proxies: LISTEN is PORT, of 127.0.0.1, or ADDR:PORT; TARGET is HOST:PORT, or "
                 "http://HOST:PORT where only HTTP is spoken. Port 0 takes any free one; at most "
                 "32."},
    {.name = "in-bind",
     .type = OPT_TEXT,
     .initial = "*",
     .max = 64,
     .unit = "ADDR",
     .programs = P | X,
     .sentence = "Address of the inbound listener; * is every address, IPv6 and IPv4."},
    {.name = "out-bind",
     .type = OPT_TEXT,
     .initial = "127.0.0.1",
     .max = 64,
     .unit = "ADDR",
     .programs = P | X,
     .sentence = "Address of the outbound listener; * is every address, IPv6 and IPv4, and opens "
                 "the proxy to the network."},

#include "proto/settings_tls.def"

    // what is kept
    {.name = "capture",
     .type = OPT_TEXT,
     .initial = "capture.db",
     .unit = "FILE",
     .programs = R | FOR_RUN,
     .sentence = "SQLite file that the recorder writes."},
    {.name = "sink",
     .type = OPT_CHOICE,
     .initial = "sqlite",
     .choices = "sqlite|null",
     .unit = "SINK",
     .programs = R | X,
     .sentence =
         "Where records go: into the capture file (sqlite), or counted and forgotten (null)."},
    {.name = "capture-filter",
     .type = OPT_TEXT,
     .max = 8192,
     .unit = "FILTER",
     .flags = ANNOTE | LIVE,
     .programs = P | X,
     .sentence = "Keep only transactions that match, in the language of `tapedeck ls`; all others "
                 "are relayed and counted. Without it everything is kept. It sees values as they "
                 "would be kept: what --redact replaces is not there to match. A transaction of "
                 "which more than 64 KiB are there, or that lasts for more than a second, before "
                 "it is clear whether it matches, is kept."},
    {.name = "max-body",
     .type = OPT_SIZE,
     .initial = "64MiB",
     .unit = "SIZE",
     .flags = LIVE,
     .programs = P | X,
     .sentence = "Bytes of one message's body that are kept, 0 for all of it; length and digest "
                 "are always those of the whole body."},
    {.name = "redact",
     .type = OPT_TEXT,
     .initial = "default",
     .unit = "RULES",
     .flags = ANNOTE | LIVE,
     .programs = P | X,
     .sentence =
         "What is replaced by a keyed digest before it is kept, comma-separated: header:NAME, "
         "query:NAME, json:PATH; default stands for the headers authorization, "
         "proxy-authorization, cookie and set-cookie; none keeps everything. A body that json:PATH "
         "may apply to is lost whole when it has more than 1 MiB, or is compressed, cut off or no "
         "JSON. HTTP/1 that cannot be read as such is left out; what is not HTTP/1 (raw TCP, "
         "HTTP/2, tunnels, WebSocket) is kept as it is."},
    {.name = "redact-key-file",
     .type = OPT_TEXT,
     .unit = "FILE",
     .programs = P | X,
     .sentence =
         "File of at least 32 bytes that keys the digests of redacted values, so that equal values "
         "stay equal from one start to the next; without it every start makes its own key."},

    // between proxy and recorder
    {.name = "recorder",
     .type = OPT_TEXT,
     .initial = "unix:tapedeck.sock",
     .unit = "ADDR",
     .programs = P,
     .sentence = "Where the recorder listens: unix:PATH, or HOST:PORT of a loopback address."},
    {.name = "listen",
     .type = OPT_TEXT,
     .initial = "unix:tapedeck.sock",
     .unit = "ADDR",
     .programs = R,
     .sentence = "Where proxies connect: unix:PATH, or HOST:PORT of a loopback address."},
    {.name = "spool-dir",
     .type = OPT_TEXT,
     .unit = "DIR",
     .programs = P | X,
     .sentence =
         "Directory of the journals that keep records until the recorder has stored them, so that "
         "they survive the death of either process; without it they are kept in memory."},
    {.name = "spool-size",
     .type = OPT_SIZE,
     .initial = "64MiB",
     .min = MIB,
     .max = TIB,
     .unit = "SIZE",
     .programs = P | X,
     .sentence = "Size of all journals together, on disk or in memory."},
    {.name = "on-full",
     .type = OPT_CHOICE,
     .initial = "drop",
     .choices = "drop|block",
     .unit = "POLICY",
     .programs = P | X,
     .sentence = "What happens while the journal is full: records are lost and counted (drop), or "
                 "traffic waits (block); what was read before may then go beyond --memory."},

    // the recorder's file
    {.name = "batch-records",
     .type = OPT_NUMBER,
     .initial = "4096",
     .min = 1,
     .max = 100000,
     .unit = "NUMBER",
     .programs = R | X,
     .sentence = "Records after which a batch is committed."},
    {.name = "batch-bytes",
     .type = OPT_SIZE,
     .initial = "8MiB",
     .min = 64 * KIB,
     .max = GIB,
     .unit = "SIZE",
     .programs = R | X,
     .sentence = "Bytes of records after which a batch is committed."},
    {.name = "batch-time",
     .type = OPT_DURATION,
     .initial = "50ms",
     .max = MINUTE,
     .unit = "TIME",
     .programs = R | X,
     .sentence = "Time between commits, but for large batches; after a pause records are committed "
                 "at once."},
    {.name = "rotate-size",
     .type = OPT_SIZE,
     .initial = "0",
     .unit = "SIZE",
     .flags = LIVE,
     .programs = R | X,
     .sentence = "Size at which the capture goes on in a new numbered file; 0 for never."},
    {.name = "rotate-age",
     .type = OPT_DURATION,
     .initial = "0",
     .max = 100 * YEAR,
     .unit = "TIME",
     .flags = LIVE,
     .programs = R | X,
     .sentence = "Age at which the capture goes on in a new numbered file; 0 for never."},
    {.name = "keep-files",
     .type = OPT_NUMBER,
     .initial = "0",
     .max = 1000000,
     .unit = "NUMBER",
     .flags = LIVE,
     .programs = R | X,
     .sentence = "Numbered files that are kept, the oldest are deleted; 0 for all."},
    {.name = "keep-size",
     .type = OPT_SIZE,
     .initial = "0",
     .unit = "SIZE",
     .flags = LIVE,
     .programs = R | X,
     .sentence =
         "Size of all files of the capture together, the oldest are deleted; 0 for no limit."},
    {.name = "keep-age",
     .type = OPT_DURATION,
     .initial = "0",
     .max = 100 * YEAR,
     .unit = "TIME",
     .flags = LIVE,
     .programs = R | X,
     .sentence = "Age at which a numbered file is deleted; 0 for never."},
    {.name = "pack-sealed",
     .type = OPT_FLAG,
     .flags = LIVE,
     .programs = R | X,
     .sentence = "Make numbered files small, at low priority: the tools read them as before, "
                 "sqlite3 with an extension only (tapedeck pack)."},

    // limits
    {.name = "workers",
     .type = OPT_NUMBER,
     .initial = "0",
     .max = 64,
     .unit = "NUMBER",
     .programs = P | X,
     .sentence = "Threads that relay; 0 for one a processor, at most 4."},
    {.name = "max-flows",
     .type = OPT_NUMBER,
     .initial = "20000",
     .min = 1,
     .max = 1000000,
     .unit = "NUMBER",
     .flags = LIVE,
     .programs = P | X,
     .sentence =
         "Connections that one listener holds at once; those beyond are closed and counted."},
    {.name = "memory",
     .type = OPT_SIZE,
     .initial = "32MiB",
     .min = MIB,
     .max = TIB,
     .unit = "SIZE",
     .programs = P | X,
     .sentence =
         "Bytes that all workers together hold for transactions that are not finished yet."},
    {.name = "head-max",
     .type = OPT_SIZE,
     .initial = "64KiB",
     .min = KIB,
     .max = 64 * KIB, // FLOW_HEAD_MAX
     .unit = "SIZE",
     .programs = P | X,
     .sentence = "Bytes of an HTTP request head; a longer one is answered 431."},
    {.name = "connect-timeout",
     .type = OPT_DURATION,
     .initial = "10s",
     .min = US_PER_MS,
     .max = YEAR,
     .unit = "TIME",
     .flags = LIVE,
     .programs = P | X,
     .sentence = "Time that a server has to accept a connection."},
    {.name = "handshake-timeout",
     .type = OPT_DURATION,
     .initial = "10s",
     .min = US_PER_MS,
     .max = YEAR,
     .unit = "TIME",
     .flags = LIVE,
     .programs = P | X,
     .sentence = "Time that a client has until its SOCKS request is whole, and that a TLS "
                 "handshake has that begins or ends here."},
    {.name = "head-timeout",
     .type = OPT_DURATION,
     .initial = "30s",
     .min = US_PER_MS,
     .max = YEAR,
     .unit = "TIME",
     .flags = LIVE,
     .programs = P | X,
     .sentence = "Time that a client has until the head of its HTTP request is whole."},
    {.name = "idle-timeout",
     .type = OPT_DURATION,
     .initial = "1h",
     .max = YEAR,
     .unit = "TIME",
     .flags = LIVE,
     .programs = P | X,
     .sentence = "Time after which a connection without traffic is closed; 0 for never."},
    {.name = "drain-timeout",
     .type = OPT_DURATION,
     .initial = "10s",
     .max = YEAR,
     .unit = "TIME",
     .flags = LIVE,
     .programs = P | X,
     .sentence = "Time that connections and unsent records have to finish after SIGTERM."},

    // who we are
    {.name = "pod",
     .type = OPT_TEXT,
     .max = 255,
     .unit = "NAME",
     .programs = P | X,
     .sentence = "Name of the pod, written into the capture."},
    {.name = "namespace",
     .type = OPT_TEXT,
     .max = 255,
     .unit = "NAME",
     .programs = P | X,
     .sentence = "Namespace of the pod, written into the capture."},
    {.name = "workload",
     .type = OPT_TEXT,
     .max = 255,
     .unit = "NAME",
     .programs = P | X,
     .sentence = "Name of the workload, written into the capture."},
    {.name = "node",
     .type = OPT_TEXT,
     .max = 255,
     .unit = "NAME",
     .programs = P | X,
     .sentence = "Name of the node, written into the capture."},
    {.name = "label",
     .type = OPT_TEXT,
     .max = 512,
     .unit = "NAME=VALUE",
     .flags = OPT_REPEATS,
     .programs = P | X,
     .sentence = "A label that is written into the capture; at most 64."},

    // operation
    {.name = "admin-listen",
     .type = OPT_TEXT,
     .initial = "127.0.0.1:4145",
     .max = 300,
     .unit = "ADDR:PORT",
     .flags = ANNOTE,
     .programs = P | X,
     .sentence = "Where /healthz, /readyz, /metrics and /flows are served; off for nowhere."},
    {.name = "ready-file",
     .type = OPT_TEXT,
     .unit = "FILE",
     .programs = P | R | X,
     .sentence = "JSON file that appears, whole, once the listeners accept: addresses, process "
                 "numbers, capture."},
    {.name = "user",
     .type = OPT_NUMBER,
     .initial = "2102",
     .max = 4294967294,
     .unit = "UID",
     .programs = P | R | FOR_RUN,
     .sentence = "User and group number that a proxy started as root goes on with; 0 stays root. "
                 "The recorder hands its socket to that user."},
    {.name = "log-level",
     .type = OPT_CHOICE,
     .initial = "info",
     .choices = "error|warn|info|debug|trace",
     .unit = "LEVEL",
     .flags = ANNOTE | LIVE,
     .programs = P | R | X,
     .sentence = "The least important lines that are still logged."},
    {.name = "log-topics",
     .type = OPT_WORDS,
     .choices = "all|dial|flow",
     .unit = "TOPICS",
     .flags = LIVE,
     .programs = P | X,
     .sentence = "Topics whose lines of level trace are logged, comma-separated."},
    {.name = "config",
     .type = OPT_TEXT,
     .unit = "FILE",
     .programs = P | R | X,
     .sentence = "YAML file of options, by the names that stand here without their dashes."},
    {.name = "annotations",
     .type = OPT_TEXT,
     .unit = "FILE",
     .programs = P | R | X,
     .sentence = "Kubernetes downward-API file of the pod's annotations, of which those under "
                 "sidecar.tapedeck.dev/ and sidecar.speedscale.com/ are read."},
    {.name = "check-options",
     .type = OPT_FLAG,
     .flags = OPT_CLI_ONLY,
     .programs = P,
     .sentence = "Judge all options, and how they go together, and end: with 2 when one is wrong."},
    {.name = "dump-options",
     .type = OPT_FLAG,
     .flags = OPT_CLI_ONLY,
     .programs = P | R | X,
     .sentence = "Print every option with its value and where that came from, and end."},
    {.name = "help",
     .type = OPT_FLAG,
     .flags = OPT_CLI_ONLY,
     .programs = P | R | X,
     .sentence = "Print this text, and end."},
    {.name = "version",
     .type = OPT_FLAG,
     .flags = OPT_CLI_ONLY,
     .programs = P | R | X,
     .sentence = "Print the version, and end."},
    {.name = NULL},
};

const char settings_exits_proxy[] =
    "  0  it ended as told: every record was acknowledged, or waits in --spool-dir; among them\n"
    "     those of losses, as when the journal was full\n"
    "  1  it failed\n"
    "  2  its options are wrong\n"
    "  3  it ended as told, but records are lost: no recorder took them, and without\n"
    "     --spool-dir nobody keeps them\n";

const char settings_exits_recorder[] =
    "  0  it ended as told: all that it took is stored\n"
    "  1  it failed, or what it took could not be stored and stays with the proxies\n"
    "  2  its options are wrong, or the capture can never be one: its path leads nowhere, to what\n"
    "     is no file, to a file of somebody else's, or to where we may not write\n";

int settings_said(const char *program, int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "%s: standard output did not take all of it\n", program);
    return EXIT_FAILED;
}
