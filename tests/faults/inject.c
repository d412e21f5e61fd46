/* Make a call of the C library fail, for files below one folder: preloaded into a process, which arms it.

   The calls below the folder are counted, each kind by itself. An armed fault makes the n-th call of its kind fail with
   an error number, once or from then on. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { OPEN, READ, WRITE, FSYNC, LINK, RENAME, CHMOD, FLOCK, UNLINK, KINDS };

static char below[PATH_MAX];
static long counts[KINDS];
static int armed = -1, number, for_ever;
static long at;

/* Called by the test: count from zero, and let the `n`-th call of a kind fail; n = 0: none. */
void fault_arm(const char *folder, int kind, int error, long n, int repeat) {
    snprintf(below, sizeof below, "%s", folder);
    memset(counts, 0, sizeof counts);
    armed = n > 0 ? kind : -1;
    number = error;
    at = n;
    for_ever = repeat;
}

long fault_count(int kind) { return counts[kind]; }

static int is_below(const char *path) {
    size_t length = strlen(below);
    return length && path && strncmp(path, below, length) == 0;
}

static int fails(int kind, int concerns) {
    if (!concerns) return 0;
    long n = __atomic_add_fetch(&counts[kind], 1, __ATOMIC_SEQ_CST);
    if (kind != armed || n < at || (n > at && !for_ever)) return 0;
    errno = number;
    return 1;
}

static int file_is_below(int file) {
    char name[64], path[PATH_MAX];
    if (!below[0]) return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

#define NEXT(name) static __typeof__(name) *next; if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define MODE \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) {
    MODE NEXT(open);
    return fails(OPEN, is_below(path)) ? -1 : next(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE NEXT(open64);
    return fails(OPEN, is_below(path)) ? -1 : next(path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    MODE NEXT(openat);
    return fails(OPEN, is_below(path)) ? -1 : next(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    MODE NEXT(openat64);
    return fails(OPEN, is_below(path)) ? -1 : next(folder, path, flags, mode);
}
ssize_t read(int file, void *to, size_t size) {
    NEXT(read);
    return fails(READ, file_is_below(file)) ? -1 : next(file, to, size);
}
ssize_t write(int file, const void *from, size_t size) {
    NEXT(write);
    return fails(WRITE, file_is_below(file)) ? -1 : next(file, from, size);
}
int fsync(int file) {
    NEXT(fsync);
    return fails(FSYNC, file_is_below(file)) ? -1 : next(file);
}
int link(const char *from, const char *to) {
    NEXT(link);
    return fails(LINK, is_below(to)) ? -1 : next(from, to);
}
int linkat(int there, const char *from, int here, const char *to, int flags) {
    NEXT(linkat);
    return fails(LINK, is_below(to)) ? -1 : next(there, from, here, to, flags);
}
int rename(const char *from, const char *to) {
    NEXT(rename);
    return fails(RENAME, is_below(to)) ? -1 : next(from, to);
}
int chmod(const char *path, mode_t mode) {
    NEXT(chmod);
    return fails(CHMOD, is_below(path)) ? -1 : next(path, mode);
}
int fchmod(int file, mode_t mode) {
    NEXT(fchmod);
    return fails(CHMOD, file_is_below(file)) ? -1 : next(file, mode);
}
int flock(int file, int operation) {
    NEXT(flock);
    return fails(FLOCK, file_is_below(file)) ? -1 : next(file, operation);
}
int unlink(const char *path) {
    NEXT(unlink);
    return fails(UNLINK, is_below(path)) ? -1 : next(path);
}
