// replay: runs a fuzz target over the files of a corpus, each copied to a heap block of its exact
// size, and over the empty input. usage: PROGRAM FILE-OR-FOLDER...
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static long files;

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st) != 0) {
        perror(path);
        if (f)
            fclose(f);
        return 1;
    }
    size_t n = (size_t)st.st_size;
    uint8_t *data = malloc(n ? n : 1);
    int bad = !data || fread(data, 1, n, f) != n;
    if (!bad)
        LLVMFuzzerTestOneInput(data, n);
    else
        fprintf(stderr, "%s: not read\n", path);
    free(data);
    fclose(f);
    files++;
    return bad;
}

static int run(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return run_file(path);
    int bad = 0;
    for (struct dirent *e; (e = readdir(folder));) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.')
            bad |= run_file(name);
    }
    closedir(folder);
    return bad;
}

int main(int argc, char **argv)
{
    int bad = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        bad |= run(argv[i]);
    printf("%ld inputs\n", files);
    return bad || files == 0;
}
