/* The launcher's steps about files and mounts that are more than one call. */
#define _GNU_SOURCE
#include "launcher.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void make_file(const char *path) {
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    must(file);
    close(file);
}

void set_attributes(const char *path, unsigned long long flags) {
    struct {
        unsigned long long set, clear, propagation, user;
    } attributes = {.set = flags}; /* struct mount_attr; linux/mount.h and sys/mount.h cannot be had together */
    must(syscall(SYS_mount_setattr, AT_FDCWD, path, 0, &attributes, sizeof attributes));
}

/* Makes a path that is there read-only, or hides it: a folder under an empty one, a file under /dev/null. Only one that is
 * missing is skipped; one that cannot be read must be an error, else it would stay open unnoticed. */
void freeze(const char *path, int hide) {
    struct stat found;
    if (stat(path, &found) < 0) {
        if (errno != ENOENT) fail();
        return;
    }
    if (!hide) {
        must(mount(path, path, 0, MS_BIND, 0));
        set_attributes(path, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
    } else if (S_ISDIR(found.st_mode))
        must(mount("none", path, "tmpfs", MS_RDONLY, "size=4k"));
    else
        must(mount("/dev/null", path, 0, MS_BIND, 0));
}

void change_root(void) { /* into the working directory; the old one is then nowhere */
    must(syscall(SYS_pivot_root, ".", "."));
    must(umount2(".", MNT_DETACH));
    must(chdir("/"));
}
