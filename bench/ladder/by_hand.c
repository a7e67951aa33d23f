/* What `substrates.rungs` does, by hand: the same system calls in one program without a plan, a status or an undo.
 *
 *   by_hand bare PROGRAM                          fork and exec as user 65532
 *   by_hand all BASE NAME ROOT DATA TMP PROGRAM   mount, pivot_root, pid (with an init), uts, ipc, user, cgroup, limits
 *
 * BASE is the lab's own level of cgroups. Only for cgroups of version 1, and only as root. The caller kills it and removes its cgroups.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BIND = 4096, PLAIN = 2 | 4 | 8, USER = 65532 };
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);
static const char *controllers[] = {"cpu", "memory", "pids"}, *devices[] = {"null", "zero", "full", "random", "urandom"};
static int entrances[3], ready[2];
static char **given;

static void must(long result, const char *what) {
    if (result >= 0) return;
    perror(what);
    _exit(1);
}

static void put(const char *text, const char *format, const char *one, const char *two) {
    char path[512];
    snprintf(path, sizeof path, format, one, two);
    int file = open(path, O_WRONLY);
    must(file, path);
    must(write(file, text, strlen(text)), path);
    close(file);
}

static void attributes(const char *path, unsigned long long flags) {
    struct mount_attr set = {.attr_set = flags};
    must(syscall(SYS_mount_setattr, AT_FDCWD, path, 0, &set, sizeof set), path);
}

static void become(void) {
    must(setgroups(0, 0), "setgroups");
    must(setresgid(USER, USER, USER), "setresgid");
    must(setresuid(USER, USER, USER), "setresuid");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void limit(const char *base, const char *name) {
    char path[512], group[256];
    snprintf(group, sizeof group, "%s/%s", base, name);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", controllers[i], base);
        mkdir(path, 0755);
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", controllers[i], group);
        must(mkdir(path, 0755), path);
        strcat(path, "/tasks");
        must(entrances[i] = open(path, O_RDWR | O_CLOEXEC), path);
    }
    put("100000", "/sys/fs/cgroup/cpu/%s/%s", group, "cpu.cfs_period_us");
    put("100000", "/sys/fs/cgroup/cpu/%s/%s", group, "cpu.cfs_quota_us");
    put("536870912", "/sys/fs/cgroup/memory/%s/%s", group, "memory.limit_in_bytes");
    put("536870912", "/sys/fs/cgroup/memory/%s/%s", group, "memory.memsw.limit_in_bytes");
    put("256", "/sys/fs/cgroup/pids/%s/%s", group, "pids.max");
}

static void show(const char *source, const char *target) {
    must(mount(source, target, 0, BIND, 0), target);
    attributes(target, PLAIN);
}

static void move_in(const char *root, const char *data, const char *tmp) {
    char from[64], to[64];
    must(mount(0, "/", 0, 16384 | 262144, 0), "private");
    must(mount(root, root, 0, BIND, 0), root);
    attributes(root, 1 | 2 | 4);
    must(chdir(root), root);
    show(data, "data");
    show(tmp, "tmp");
    must(mount("tmpfs", "dev", "tmpfs", 2 | 8, "size=64k,mode=755"), "dev");
    for (int i = 0; i < 5; i++) {
        snprintf(from, sizeof from, "/dev/%s", devices[i]);
        snprintf(to, sizeof to, "dev/%s", devices[i]);
        close(open(to, O_WRONLY | O_CREAT, 0644));
        must(mount(from, to, 0, BIND, 0), to);
    }
    must(symlink("/proc/self/fd", "dev/fd"), "dev/fd");
    must(symlink("fd/0", "dev/stdin"), "dev/stdin");
    must(symlink("fd/1", "dev/stdout"), "dev/stdout");
    must(symlink("fd/2", "dev/stderr"), "dev/stderr");
    must(mount("proc", "proc", "proc", PLAIN, 0), "proc");
    must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", 2), "umount2");
    must(chdir("/data"), "/data");
}

static void inside(void) {
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < 3; i++) must(write(entrances[i], "0", 1), "tasks");
    close(ready[1]);
    must(read(ready[0], &byte, 1) == 1 ? 0 : -1, "ready");
    become();
    must(sethostname(given[3], strlen(given[3])), "sethostname");
    move_in(given[4], given[5], given[6]);
    must(unshare(CLONE_NEWCGROUP), "unshare");
    pid_t service = fork();
    if (!service) execv(given[7], given + 7);
    for (int how; waitpid(-1, &how, 0) != service;)
        ;
    _exit(0);
}

int main(int count, char **arguments) {
    given = arguments;
    int bare = count > 2 && !strcmp(arguments[1], "bare");
    unsigned long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER;
    must(pipe2(ready, O_CLOEXEC), "pipe");
    if (!bare) limit(arguments[2], arguments[3]);
    pid_t child = (pid_t)syscall(SYS_clone, (bare ? 0 : flags) | SIGCHLD, 0, 0, 0, 0);
    must(child, "clone");
    if (!child && bare) {
        become();
        execv(arguments[2], arguments + 2);
        _exit(1);
    }
    if (!child) inside();
    char pid[16];
    snprintf(pid, sizeof pid, "%d", child);
    if (!bare) put("65532 65532 1", "/proc/%s/%s", pid, "uid_map");
    if (!bare) put("65532 65532 1", "/proc/%s/%s", pid, "gid_map");
    must(write(ready[1], "g", 1), "ready");
    for (int how; waitpid(child, &how, 0) < 0 && errno == EINTR;)
        ;
}
