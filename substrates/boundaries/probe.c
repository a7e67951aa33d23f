/* What does the boundary look like from inside? The same program on every substrate, in the service's place and as its user.
 *
 * It only looks, or asks for what cannot take effect: system calls get arguments that no kernel accepts, each in a child of
 * its own with a deadline; files are not opened but asked about, but for a few that may be read. Limits are tried inside
 * bounds that the lab gives (PROBE_MEMORY bytes, PROBE_TASKS processes, PROBE_CPUS busy ones; 0 or none: not tried), by
 * children that the kernel shall prefer to kill. Then it answers every request with what it found, as the service would,
 * so that each substrate's own `boot` is all that is needed to run it. As root it asks for no system calls.
 *
 * Out of scope: other programs' memory, what other machines answer, and every call in `SKIPPED`.
 */
#include "bare.h"
#include "calls.h" /* CALLS: numbers and names, from this machine's kernel headers */
#include <linux/in.h>
#include <linux/sched.h>
#include <linux/socket.h>
#include <linux/stat.h>
#include <linux/utsname.h>

enum { FILE_BYTES = 65536, PATH_BYTES = 512, LISTED = 64, WRITABLE_NAMED = 8, STEP = 4 << 20, MOST_CPUS = 64 };
enum { ENOENT = 2, NOT_ASKED = -1000, TIMER_REAL = 0 };

/* Ends the machine or the caller, waits for ever, or leaves something behind (msgget makes a queue out of any arguments). */
static const short SKIPPED[] = {
    __NR_reboot, __NR_kexec_load, __NR_kexec_file_load, __NR_init_module, __NR_finit_module, __NR_delete_module,
    __NR_exit, __NR_exit_group, __NR_clone, __NR_kill, __NR_sync, __NR_vhangup, __NR_msgget, __NR_rt_sigreturn,
    __NR_restart_syscall,
#ifdef __NR_fork
    __NR_fork, __NR_vfork, __NR_pause,
#endif
};

static const char *const READ[] = {
    "/proc/self/status", "/proc/self/uid_map", "/proc/self/cgroup", "/proc/self/mountinfo", "/proc/self/net/dev",
    "/proc/self/limits", "/proc/self/attr/current", "/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/hostname",
    "/proc/meminfo", "/proc/loadavg", "/proc/uptime", "/proc/sys/kernel/threads-max",
};

static const char *const REACHED[] = {
    "/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/proc/keys", "/proc/timer_list", "/proc/interrupts",
    "/proc/modules", "/proc/acpi", "/proc/scsi", "/proc/1/environ", "/sys/kernel", "/sys/kernel/security",
    "/sys/firmware", "/sys/fs/cgroup", "/sys/module", "/dev/kmsg", "/dev/mem", "/dev/kvm", "/dev/net/tun", "/dev/fuse",
    "/home", "/root", "/etc/shadow", "/var/lib", "/run/docker.sock", "/run/libvirt", "/var/run/docker.sock",
};

static char content[FILE_BYTES];
static volatile long long *shared; /* what children tell before they are killed */

static long read_file(const char *path) {
    long file = CALL(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), done = 0, got;
    if (file < 0)
        return file;
    while (done < FILE_BYTES && (got = CALL(read, file, content + done, FILE_BYTES - done)) > 0)
        done += got;
    CALL(close, file);
    return done;
}

/* -- what can be seen */

static void tell_files(void) {
    object("files");
    for (size i = 0; i < sizeof READ / sizeof *READ; i++) {
        long got = read_file(READ[i]);
        name(READ[i]);
        if (got < 0)
            raw("null");
        else
            quoted(content, (size)got);
    }
    raw("}");
}

struct entry {
    unsigned long long inode, offset;
    unsigned short bytes;
    unsigned char kind;
    char name[];
};

/* Calls `each` with the folder's path and every entry but the two that every folder has. */
static long list(const char *path, void (*each)(const char *, const struct entry *)) {
    char entries[4096] __attribute__((aligned(8)));
    long folder = CALL(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), got;
    if (folder < 0)
        return folder;
    while ((got = CALL(getdents64, folder, entries, sizeof entries)) > 0)
        for (long at = 0; at < got; at += ((struct entry *)(entries + at))->bytes) {
            struct entry *found = (struct entry *)(entries + at);
            if (found->name[0] != '.')
                each(path, found);
        }
    CALL(close, folder);
    return 0;
}

static void join(char *to, const char *folder, const char *entry) {
    size first = length(folder), second = length(entry);
    if (first + second + 2 > PATH_BYTES)
        first = second = 0;
    memcpy(to, folder, first);
    to[first] = '/';
    memcpy(to + first + 1, entry, second);
    to[first + 1 + second] = 0;
}

static void tell_link(const char *folder, const struct entry *entry) {
    char path[PATH_BYTES], target[128];
    join(path, folder, entry->name);
    long got = CALL(readlinkat, AT_FDCWD, path, target, sizeof target);
    name(entry->name);
    quoted(target, got > 0 ? (size)got : 0);
}

static long seen, writable, blocks;

static void count_process(const char *folder, const struct entry *entry) {
    (void)folder;
    seen += entry->name[0] >= '0' && entry->name[0] <= '9';
}

static void look_at_sysctl(const char *folder, const struct entry *entry) {
    char path[PATH_BYTES];
    join(path, folder, entry->name);
    if (entry->kind == 4) { /* DT_DIR */
        list(path, look_at_sysctl);
        return;
    }
    seen++;
    if (CALL(faccessat, AT_FDCWD, path, 2) == 0 && writable++ < WRITABLE_NAMED)
        item(path);
}

static void look_at_device(const char *folder, const struct entry *entry) {
    char path[PATH_BYTES];
    join(path, folder, entry->name);
    struct statx about; /* not the entry's own kind: a device that is mounted over a file is a file there */
    if (CALL(statx, AT_FDCWD, path, 0, STATX_BASIC_STATS, &about) < 0)
        return;
    int kind = about.stx_mode & 0170000;
    if (kind != 0020000 && kind != 0060000)
        return;
    seen++;
    blocks += kind == 0060000;
    if ((CALL(faccessat, AT_FDCWD, path, 4) == 0 || CALL(faccessat, AT_FDCWD, path, 2) == 0) && writable++ < LISTED)
        item(path);
}

static void tell_walk(const char *what, const char *path, void (*each)(const char *, const struct entry *)) {
    seen = writable = blocks = 0;
    object(what);
    array("may");
    long error = list(path, each);
    raw("]");
    count("seen", seen);
    count("usable", writable);
    count("block", blocks);
    count("error", error);
    raw("}");
}

static int entries;

static void count_entry(const char *folder, const struct entry *entry) {
    (void)folder, (void)entry;
    entries++;
}

/* Which directory is `/`: a path means nothing in another mount namespace. */
static void tell_root(void) {
    struct statx about;
    CALL(statx, AT_FDCWD, "/", 0, STATX_BASIC_STATS, &about);
    array("root");
    long long parts[] = {about.stx_dev_major, about.stx_dev_minor, (long long)about.stx_ino};
    for (int i = 0; i < 3; i++)
        separate(), decimal(parts[i]);
    raw("]");
}

/* absent, refused, empty (hidden by something with nothing in it), or readable */
static const char *reach(const char *path) {
    struct statx about;
    long error = CALL(statx, AT_FDCWD, path, 0, STATX_BASIC_STATS, &about);
    if (error < 0)
        return error == -ENOENT ? "absent" : "refused";
    if ((about.stx_mode & 0170000) == 0040000) {
        entries = 0;
        return list(path, count_entry) < 0 ? "refused" : entries ? "readable" : "empty";
    }
    if (CALL(faccessat, AT_FDCWD, path, 4) < 0)
        return "refused";
    if ((about.stx_mode & 0170000) != 0100000)
        return about.stx_rdev_major == 1 && about.stx_rdev_minor == 3 ? "empty" : "readable";
    long file = CALL(openat, AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return "refused";
    CALL(close, file);
    return "readable";
}

static void tell_reach(void) {
    object("paths");
    for (size i = 0; i < sizeof REACHED / sizeof *REACHED; i++)
        member(REACHED[i], reach(REACHED[i]));
    raw("}");
}

/* -- what is refused */

static long fork_(void) { return ask(__NR_clone, SIGCHLD, 0, 0, 0, 0, 0); }

static void end_within(long microseconds) {
    long long timer[4] = {0, 0, microseconds / 1000000, microseconds % 1000000};
    CALL(setitimer, TIMER_REAL, timer, 0);
}

static int await(long child) {
    int status = 0;
    CALL(wait4, child, &status, 0, 0);
    return status;
}

static int is_skipped(short number) {
    for (size i = 0; i < sizeof SKIPPED / sizeof *SKIPPED; i++)
        if (SKIPPED[i] == number)
            return 1;
    return 0;
}

/* The error of a call made in a child: 0 for none, below 0 the signal that ended it. */
static long in_child(long number, long a, long b, long c, long d) {
    long child = fork_();
    if (child < 0)
        return NOT_ASKED;
    if (child == 0) {
        end_within(300000);
        long result = ask(number, a, b, c, d, d, d);
        for (;;)
            CALL(exit_group, result < 0 && result > -255 ? -result : 0);
    }
    int status = await(child);
    return status & 127 ? -(status & 127) : status >> 8 & 255;
}

static void tell_calls(void) {
    object("calls");
    for (size i = 0; i < sizeof CALLS / sizeof *CALLS; i++)
        if (!is_skipped(CALLS[i].number))
            count(CALLS[i].name, in_child(CALLS[i].number, -1, -1, -1, -1));
    raw("}");
    object("asked");
    count("a user namespace", in_child(__NR_unshare, CLONE_NEWUSER, 0, 0, 0));
    count("a mount namespace", in_child(__NR_unshare, CLONE_NEWNS, 0, 0, 0));
    count("a mount", in_child(__NR_mount, (long)"none", (long)"/", (long)"vmlab-has-no-such-kind", 0));
    count("another root", in_child(__NR_chroot, (long)"/", 0, 0, 0));
    count("to be root", in_child(__NR_setuid, 0, 0, 0, 0));
    count("the kernel's log", in_child(__NR_syslog, 3, (long)content, FILE_BYTES, 0));
    count("raw packets", in_child(__NR_socket, 17, 3, 0, 0));
    count("the hypervisor's socket", in_child(__NR_socket, 40, 1, 0, 0));
    count("process 1", in_child(__NR_kill, 1, 0, 0, 0));
    raw("}");
}

/* -- whether limits hold */

#include "limits.h"

/* -- and answers with it, as the service would */

static void stamp(const char *event, long long at) {
    printed_length = 0;
    raw("vmlab-service ");
    raw(event);
    raw(" monotonic_ns=");
    decimal(at);
    raw("\n");
    CALL(write, 1, printed, printed_length);
    printed_length = 0;
}

static unsigned address_in(const char *text) {
    unsigned char parts[4] = {0, 0, 0, 0};
    for (int i = 0; i < 4 && *text; i++) {
        parts[i] = (unsigned char)number_in(text);
        while (*text && *text++ != '.')
            continue;
    }
    unsigned address;
    memcpy(&address, parts, 4);
    return address;
}

static long listening(void) {
    long port = number_in(setting("PORT")), link = CALL(socket, 2, 1 | O_CLOEXEC, 0);
    int on = 1;
    port = port ? port : 8080;
    struct sockaddr_in at = {.sin_family = 2, .sin_port = (unsigned short)(port >> 8 | (port & 255) << 8)};
    at.sin_addr.s_addr = address_in(setting("BIND"));
    CALL(setsockopt, link, 1, 2, &on, sizeof on);
    if (CALL(bind, link, &at, sizeof at) < 0 || CALL(listen, link, 64) < 0)
        CALL(exit_group, 1);
    return link;
}

static void serve(long listener, const char *body, size count_) {
    long long patience[2] = {1, 0};
    for (;;) {
        long link = CALL(accept4, listener, 0, 0, O_CLOEXEC), got, done = 0;
        if (link < 0)
            continue;
        CALL(setsockopt, link, 1, 20, patience, sizeof patience); /* SO_RCVTIMEO: a silent client does not block it */
        if (CALL(read, link, content, sizeof content) > 0)
            while (done < (long)count_ && (got = CALL(sendto, link, body + done, (long)count_ - done, 0x4000)) > 0)
                done += got;
        CALL(close, link);
    }
}

static void tell(void) {
    struct new_utsname system;
    CALL(uname, &system);
    raw("{");
    member("nonce", setting("NONCE"));
    member("release", system.release);
    member("version", system.version);
    member("host", system.nodename);
    count("uid", CALL(getuid));
    count("pid", CALL(getpid));
    tell_files();
    object("namespaces");
    list("/proc/self/ns", tell_link);
    raw("}");
    tell_walk("processes", "/proc", count_process);
    tell_walk("sysctls", "/proc/sys", look_at_sysctl);
    tell_walk("devices", "/dev", look_at_device);
    tell_root();
    tell_reach();
    if (CALL(getuid) != 0)
        tell_calls();
    tell_limits();
    raw("}");
}

static char whole[sizeof printed + 256];

void started(long *stack) {
    environment = (char **)(stack + 2 + stack[0]);
    stamp("first-line", now_ns(1));
    tell();
    static char body[sizeof printed];
    size body_length = printed_length;
    memcpy(body, printed, body_length);
    printed_length = 0;
    raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ");
    decimal((long long)body_length);
    raw("\r\n\r\n");
    size head = printed_length;
    memcpy(whole, printed, head);
    memcpy(whole + head, body, body_length);
    long listener = listening();
    stamp("listening", now_ns(1));
    serve(listener, whole, head + body_length);
}
