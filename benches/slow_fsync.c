/* Adds SLOW_FSYNC_US microseconds to every fsync and fdatasync of the process it is preloaded into: a slow disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_for_the_disk(void) {
    const char *text = getenv("SLOW_FSYNC_US");
    if (text) usleep((useconds_t)atoi(text));
}

int fsync(int fd) {
    wait_for_the_disk();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
    wait_for_the_disk();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
