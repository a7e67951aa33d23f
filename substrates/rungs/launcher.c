/* Carries out a plan: a file of system calls, one a line, that `substrates.rungs` has written. It decides nothing itself.
 *
 * One thread, static, nothing of a library's: a parent-death signal fires when the spawning *thread* ends, a user namespace
 * refuses a process with threads, and an interpreter in its place would take longer to start than all namespaces together.
 *
 *   launcher PLAN STATUS      a line is words with tabs between them; `%p` in a word is the child's pid
 *
 *   ... steps of the supervisor: cgroups are made
 *   enter FILE                a cgroup of version 1 that the child shall be in
 *   clone FLAGS [FOLDER]      the child exists, in that cgroup of version 2, and goes on at `inside`
 *   ... steps of the supervisor about the child: its identity map, its network link; `release` lets it pass an `await`
 *   inside
 *   ... steps of the child: mounts, root, address, privileges
 *   exec PROGRAM ARGUMENT...  or `init PROGRAM ...`: the child stays as PID 1 and the program is its child
 *   undo
 *   ... steps of the supervisor when the child has ended
 *
 * STATUS is a FIFO: `child PID`, `sandboxed NS`, `init NS`, `error TEXT`; it is closed when the program has been started.
 * The child dies with the supervisor, and in a PID namespace everything else with the child: the kernel then takes mounts,
 * links and namespaces away. Out of scope: restarts, terminals, more than one program.
 */
#define _GNU_SOURCE
#include "launcher.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 256, TRIES = 50, ENTRANCES = 8 };

static int status = -1, pipes[2] = {-1, -1};
static int supervisor = 1, stage; /* whether this is the supervisor, and whether it is past `inside` */
static pid_t child;
static int entrances[ENTRANCES], entrance_count; /* files of cgroups that the child is to move itself into */
static char *plan, *words[WORDS + 1]; /* what is left of the plan, and the step under way */

static void finish(int code);
static void skip(const char *section);

static void tell(const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (status >= 0 && length > 0 && write(status, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1) < 0)
        status = -1; /* the process that started us has ended; the service continues */
}

static void tell_time(const char *what) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    tell("%s %lld\n", what, now.tv_sec * 1000000000LL + now.tv_nsec);
}

/* Reports which step failed and why; what the supervisor has made until then is removed. */
void fail(void) {
    int error = errno;
    char text[900] = "";
    for (int i = 0; words[i] && i < 4; i++) {
        strncat(text, i ? " " : "", sizeof text - strlen(text) - 1);
        strncat(text, words[i], 200);
    }
    dprintf(2, "vmlab-rungs: %s: %s\n", text, strerror(error));
    tell("error %s: %s\n", text, strerror(error));
    if (child > 0) kill(child, SIGKILL);
    finish(125);
}

void must(long result) {
    if (result < 0) fail();
}

static void must_or(long result, int fine) {
    if (result < 0 && errno != fine) fail();
}

/* -- steps */

static void write_file(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    must(file);
    must(write(file, text, strlen(text)));
    close(file);
}

static void die_with_parent(void) {
    must(prctl(PR_SET_PDEATHSIG, SIGKILL));
    struct pollfd parent = {.fd = pipes[0], .events = 0};
    if (poll(&parent, 1, 0) > 0 && parent.revents & POLLHUP) _exit(125); /* it ended before the signal was set */
}

static void await(void) {
    char byte;
    if (read(pipes[0], &byte, 1) != 1) _exit(125); /* the supervisor failed, and has reported why */
}

static void become(unsigned uid, int groups) {
    if (groups) must(setgroups(0, 0));
    must(setresgid(uid, uid, uid));
    must(setresuid(uid, uid, uid));
    if (!supervisor) die_with_parent(); /* a change of user clears it */
}

static void drop_bounding(void) {
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        must(prctl(PR_CAPBSET_DROP, capability));
    must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
}

static void drop_held(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    must(syscall(SYS_capset, &header, none));
}

static unsigned long number(const char *word) { return strtoul(word, 0, 0); }

static void set_rlimit(int resource, unsigned long wanted) {
    struct rlimit limit;
    must(getrlimit(resource, &limit));
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > wanted) limit.rlim_max = wanted;
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(resource, &limit));
}

static void set_filter(const char *hex) {
    static struct sock_filter code[BPF_MAXINSNS];
    size_t bytes = strlen(hex) / 2;
    for (size_t i = 0; i < bytes && i < sizeof code; i++) {
        unsigned value;
        if (sscanf(hex + 2 * i, "%2x", &value) != 1) break;
        ((unsigned char *)code)[i] = (unsigned char)value;
    }
    struct sock_fprog program = {.len = (unsigned short)(bytes / sizeof code[0]), .filter = code};
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void set_affinity(unsigned count) {
    cpu_set_t all, chosen;
    CPU_ZERO(&chosen);
    must(sched_getaffinity(0, sizeof all, &all));
    for (int cpu = 0; cpu < CPU_SETSIZE && count; cpu++)
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &chosen);
            count--;
        }
    must(sched_setaffinity(0, sizeof chosen, &chosen));
}

static void remove_folder(const char *path) {
    for (int i = 0; i < TRIES && rmdir(path) < 0 && errno == EBUSY; i++)
        poll(0, 0, 1); /* its last process is not yet quite gone */
}

/* -- the processes */

static void supervise(pid_t of) {
    sigset_t every;
    sigfillset(&every);
    for (;;) {
        siginfo_t signal;
        if (sigwaitinfo(&every, &signal) < 0) continue;
        if (signal.si_signo != SIGCHLD) {
            kill(of, signal.si_signo);
            continue;
        }
        int how;
        for (pid_t ended; (ended = waitpid(-1, &how, WNOHANG)) > 0;)
            if (ended == of) {
                child = 0;
                finish(WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how));
            }
    }
}

static void start(char **command, int as_init) {
    tell_time("sandboxed");
    if (as_init) {
        tell_time("init");
        /* It is the same user as the service, which may neither trace it nor look into it. For the service, exec undoes that. */
        must(prctl(PR_SET_DUMPABLE, 0));
        pid_t service = fork();
        must(service);
        if (service) {
            close(status);
            supervise(service);
        }
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    execv(command[0], command);
    fail();
}

/* A task that writes 0 moves itself, and then the kernel need not wait until no thread anywhere forks (10 ms and more). The
 * file was opened by the supervisor, whose right to do so counts. Version 2 has nothing of the kind for a process; there the
 * child is made inside the group. */
static void enter(const char *path) {
    int file = open(path, O_RDWR | O_CLOEXEC);
    must(file);
    if (entrance_count == ENTRANCES) errno = EMFILE, fail();
    entrances[entrance_count++] = file;
}

static void split(unsigned long flags, const char *group) {
    struct clone_args how = {.flags = flags, .exit_signal = SIGCHLD};
    must(pipe2(pipes, O_CLOEXEC));
    if (group) {
        how.flags |= CLONE_INTO_CGROUP;
        must((int)(how.cgroup = (unsigned)open(group, O_PATH | O_DIRECTORY | O_CLOEXEC)));
    }
    long made = group ? syscall(SYS_clone3, &how, sizeof how) : syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    must(made); /* -1 must never get into `child`: to kill that is to kill everything */
    child = (pid_t)made;
    if (child) {
        close(pipes[0]);
        tell("child %d\n", child);
        return;
    }
    close(pipes[1]);
    supervisor = 0;
    die_with_parent();
    for (int i = 0; i < entrance_count; i++) {
        must(write(entrances[i], "0", 1));
        close(entrances[i]);
    }
    skip("inside");
}

/* -- the steps by name, and how many words follow at least */

static void s_write(char **w) { write_file(w[1], w[2]); }
static void s_offer(char **w) { access(w[1], F_OK) ? (void)0 : write_file(w[1], w[2]); }
static void s_rmdir(char **w) { remove_folder(w[1]); }
static void s_release(char **w) { (void)w, must(write(pipes[1], "g", 1)); }
static void s_await(char **w) { (void)w, await(); }
static void s_enter(char **w) { enter(w[1]); }
static void s_clone(char **w) { split(number(w[1]), w[2]); }
static void s_veth(char **w) { add_veth(w[1], w[2], w[3], w[4], child); }
static void s_up(char **w) { set_up(w[1]); }
static void s_address(char **w) { add_address(w[1], w[2], (int)number(w[3])); }
static void s_private(char **w) { (void)w, must(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0)); }
static void s_bind(char **w) { must(mount(w[1], w[2], 0, MS_BIND, 0)); }
static void s_attributes(char **w) { set_attributes(w[1], number(w[2])); }
static void s_mount(char **w) { must(mount(w[1], w[2], w[1], number(w[3]), w[4])); }
static void s_dir(char **w) { must_or(mkdir(w[1], (mode_t)number(w[2])), EEXIST); }
static void s_file(char **w) { make_file(w[1]); }
static void s_link(char **w) { must(symlink(w[1], w[2])); }
static void s_mask(char **w) { freeze(w[1], 1); }
static void s_freeze(char **w) { freeze(w[1], 0); }
static void s_chdir(char **w) { must(chdir(w[1])); }
static void s_chroot(char **w) { (void)w, must(chroot(".")); }
static void s_pivot(char **w) { (void)w, change_root(); }
static void s_hostname(char **w) { must(sethostname(w[1], strlen(w[1]))); }
static void s_unshare(char **w) { must(unshare((int)number(w[1]))); }
static void s_become(char **w) { become((unsigned)number(w[1]), (int)number(w[2])); }
static void s_affinity(char **w) { set_affinity((unsigned)number(w[1])); }
static void s_rlimit(char **w) { set_rlimit((int)number(w[1]), number(w[2])); }
static void s_no_new_privs(char **w) { (void)w, must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }
static void s_bounding(char **w) { (void)w, drop_bounding(); }
static void s_capset(char **w) { (void)w, drop_held(); }
static void s_seccomp(char **w) { set_filter(w[1]); }
static void s_exec(char **w) { start(w + 1, 0); }
static void s_init(char **w) { start(w + 1, 1); }

static const struct {
    const char *name;
    int words;
    void (*run)(char **);
} steps[] = {
    {"write", 2, s_write},       {"offer", 2, s_offer},       {"rmdir", 1, s_rmdir},       {"release", 0, s_release},   {"await", 0, s_await},
    {"enter", 1, s_enter},       {"clone", 1, s_clone},       {"veth", 4, s_veth},         {"up", 1, s_up},             {"address", 3, s_address},
    {"private", 0, s_private},   {"bind", 2, s_bind},         {"attributes", 2, s_attributes},
    {"mount", 4, s_mount},       {"dir", 2, s_dir},           {"file", 1, s_file},         {"link", 2, s_link},
    {"mask", 1, s_mask},         {"freeze", 1, s_freeze},     {"chdir", 1, s_chdir},       {"chroot", 0, s_chroot},
    {"pivot", 0, s_pivot},       {"hostname", 1, s_hostname}, {"unshare", 1, s_unshare},   {"become", 2, s_become},
    {"affinity", 1, s_affinity}, {"rlimit", 2, s_rlimit},     {"no_new_privs", 0, s_no_new_privs},
    {"bounding", 0, s_bounding}, {"capset", 0, s_capset},     {"seccomp", 1, s_seccomp},   {"exec", 1, s_exec},
    {"init", 1, s_init},
};

static char *with_pid(char *word) {
    char *mark = strstr(word, "%p"), *text = 0;
    if (mark && asprintf(&text, "%.*s%d%s", (int)(mark - word), word, child, mark + 2) < 0) fail();
    return text ? text : word;
}

/* In a word a backslash stands before `t`, `n` and itself. */
static char *plain(char *word) {
    char *to = word;
    for (char *from = word; *from; from++)
        *to++ = *from != '\\' ? *from : *++from == 't' ? '\t' : *from == 'n' ? '\n' : *from;
    *to = 0;
    return word;
}

static void perform(char *line) {
    int count = 0;
    for (char *word; count < WORDS && (word = strsep(&line, "\t"));)
        words[count++] = plain(child ? with_pid(word) : word);
    words[count] = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (!strcmp(steps[i].name, words[0]) && count > steps[i].words) {
            steps[i].run(words);
            return;
        }
    errno = ENOSYS;
    fail();
}

/* Carries out the plan up to a line that is this word; in the child `exec` or `init` never comes back. */
static void until(const char *section) {
    for (char *line; (line = strsep(&plan, "\n")) && strcmp(line, section);)
        if (*line) perform(line);
}

static void skip(const char *section) {
    for (char *line; (line = strsep(&plan, "\n")) && strcmp(line, section);)
        ;
}

static void finish(int code) {
    if (supervisor) {
        supervisor = 0; /* a failure in here ends it */
        if (child > 0) waitpid(child, 0, 0);
        child = 0;
        if (stage < 1) skip("inside");
        skip("undo");
        until("");
    }
    _exit(code);
}

static void read_plan(const char *path) {
    struct stat found;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    must(file);
    must(fstat(file, &found));
    must((plan = calloc(1, (size_t)found.st_size + 1)) ? 0 : -1);
    must(read(file, plan, (size_t)found.st_size));
    close(file);
}

int main(int count, char **arguments) {
    static char *own[] = {"launcher", 0};
    memcpy(words, own, sizeof own);
    if (count != 3) {
        errno = EINVAL;
        fail();
    }
    sigset_t every;
    sigfillset(&every);
    sigprocmask(SIG_SETMASK, &every, 0);
    status = open(arguments[2], O_WRONLY | O_NONBLOCK | O_CLOEXEC); /* without a reader nothing is reported */
    read_plan(arguments[1]);
    until("inside"); /* the child comes back from `clone` with the rest of this section skipped */
    if (!supervisor) until("");
    stage = 1;
    close(status);
    supervise(child);
}
