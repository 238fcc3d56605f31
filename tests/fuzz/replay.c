/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay - the main() of a fuzz target outside the fuzz build: runs each file of each folder (or
 * each file) named on the command line through the target once. So the corpus is a regression
 * test under every compiler and sanitizer.
 */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPLAY_BYTES_MAX ((size_t)16 << 20)

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return -1;
    }
    struct stat st;
    if (fstat(fileno(f), &st) < 0 || st.st_size < 0 || (size_t)st.st_size > REPLAY_BYTES_MAX) {
        (void)fprintf(stderr, "%s: not a file of at most 16 MiB\n", path);
        (void)fclose(f);
        return -1;
    }
    /* exactly as large as the input: a read past its end is seen */
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    int ok = data != NULL && fread(data, 1, size, f) == size;
    if (ok) {
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    free(data);
    (void)fclose(f);
    return ok ? 1 : -1;
}

static int replay_folder(const char *path)
{
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, alphasort);
    if (n < 0) {
        return replay_file(path);
    }
    int files = 0;
    for (int i = 0; i < n; i++) {
        char file[4096];
        if (entries[i]->d_name[0] != '.' && files >= 0 &&
            snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name) < (int)sizeof file) {
            files = replay_file(file) < 0 ? -1 : files + 1;
        }
        free(entries[i]);
    }
    free(entries);
    return files;
}

int main(int argc, char **argv)
{
    int files = 0;
    for (int i = 1; i < argc; i++) {
        int n = replay_folder(argv[i]);
        if (n < 0) {
            return 1;
        }
        files += n;
    }
    printf("%d inputs replayed\n", files);
    return files > 0 ? 0 : 1; /* an empty corpus proves nothing */
}
