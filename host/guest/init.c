/* The first program of a guest: PID 1 of the initramfs, static, without a shell or a library of the guest.
 *
 * It loads the few drivers that the guest requires, sets its address, mounts root and data, and then either runs the
 * service as its only child (variant slim) or executes systemd (variant full). Under emulation each process of a
 * shell script costs 10 to 20 ms; this is one process. `init power` waits for the ACPI power button in `full`.
 *
 * Disks by place: vda root, vdb data, vdc a plain tar with `address`, `hostname`, `environment`, `command`, `secret`.
 * Out of scope: DHCP, a login, modules on demand, a file system check (root is discarded, data has a journal).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fail.h"
#include "power.h"

enum { USER = 65532, RESTARTS = 5, CONFIG_BYTES = 1 << 18, DEVICE_MS = 5000, STOP_SECONDS = 10, BLOCK = 512 };

static char config[CONFIG_BYTES];

static void mount_on(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    mkdir(target, 0755);
    must(mount(source, target, type, flags, data), "mount", target);
}

/* -- drivers, in the order in which they need each other */

static void load_modules(void) {
    char path[256];
    FILE *order = fopen("/modules/order", "re");
    if (!order)
        fail("open", "/modules/order");
    while (fscanf(order, "%255s", path) == 1) {
        int file = open(path, O_RDONLY | O_CLOEXEC);
        must(file, "open", path);
        if (syscall(SYS_finit_module, file, "", 0) && errno != EEXIST)
            fail("load", path);
        close(file);
    }
    fclose(order);
}

static void wait_for(const char *device) {
    for (int left = DEVICE_MS; access(device, F_OK); left--) {
        if (!left)
            fail("wait for", device);
        usleep(1000);
    }
}

/* -- the config disk: a tar without a file system */

static void read_config(const char *device) {
    int file = open(device, O_RDONLY | O_CLOEXEC);
    must(file, "open", device);
    ssize_t done = 0, got;
    while (done < CONFIG_BYTES - 1 && (got = read(file, config + done, (size_t)(CONFIG_BYTES - 1 - done))) > 0)
        done += got;
    must((int)got, "read", device);
    char more;
    if (read(file, &more, 1) > 0) { /* truncated, it would not be the stack's configuration */
        errno = EFBIG;
        fail("read", device);
    }
    close(file);
}

/* A member's content, and its size; NULL if the archive has no member of this name. */
static char *member(const char *name, size_t *size) {
    for (size_t at = 0; at + BLOCK <= CONFIG_BYTES && config[at];) {
        size_t length = strtoul(config + at + 124, NULL, 8);
        if (length > CONFIG_BYTES - at - BLOCK)
            break;
        if (!strncmp(config + at, name, 100)) {
            *size = length;
            return config + at + BLOCK;
        }
        at += BLOCK + (length + BLOCK - 1) / BLOCK * BLOCK;
    }
    *size = 0;
    return NULL;
}

/* A copy of a member as a string. */
static char *text(const char *name) {
    size_t size;
    char *content = member(name, &size);
    return strndup(content ? content : "", size);
}

static void write_file(const char *path, const char *content, size_t size, mode_t mode, uid_t owner) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    must(file, "create", path);
    must(write(file, content, size) == (ssize_t)size ? 0 : -1, "write", path);
    must(fchown(file, owner, owner), "chown", path);
    close(file);
}

/* The environment for systemd's EnvironmentFile: each value between quotes, so that it arrives byte for byte. */
static char *quoted(const char *lines, size_t size, size_t *length) {
    char *made = malloc(2 * size + 1), *to = made;
    for (size_t at = 0, in_value = 0; at < size; at++) {
        char byte = lines[at];
        if (in_value && strchr("\n\"\\`$", byte))
            *to++ = byte == '\n' ? '"' : '\\';
        *to++ = byte;
        if (!in_value && byte == '=')
            *to++ = '"';
        in_value = byte != '\n' && (in_value || byte == '=');
    }
    *length = (size_t)(to - made);
    return made;
}

/* The service's settings and secret are written to /run, which is memory. */
static void write_run(void) {
    size_t size;
    mount_on("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=20%");
    mkdir("/run/vmlab", 0755);
    mkdir("/run/secrets", 0755);
    char *environment = member("environment", &size);
    environment = quoted(environment, size, &size);
    write_file("/run/vmlab/service.env", environment, size, 0600, 0);
    char *secret = member("secret", &size);
    if (secret)
        write_file("/run/secrets/service", secret, size, 0400, USER);
}

/* -- the network: one address, no routes beyond it */

static void raise_interface(int control, const char *name, const char *address, const char *mask) {
    struct ifreq request = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    in->sin_family = AF_INET;
    if (!inet_aton(address, &in->sin_addr))
        fail("read the address", address);
    must(ioctl(control, SIOCSIFADDR, &request), "set the address of", name);
    inet_aton(mask, &in->sin_addr);
    must(ioctl(control, SIOCSIFNETMASK, &request), "set the mask of", name);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    must(ioctl(control, SIOCSIFFLAGS, &request), "bring up", name);
}

static void set_network(void) {
    char *address = text("address"), *slash = strchr(address, '/');
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(control, "open", "a socket");
    raise_interface(control, "lo", "127.0.0.1", "255.0.0.0");
    if (slash) {
        *slash = 0;
        struct in_addr mask = {htonl(~0U << (32 - atoi(slash + 1)))};
        raise_interface(control, "eth0", address, strdup(inet_ntoa(mask)));
    }
    close(control);
    char *name = text("hostname");
    must(sethostname(name, strcspn(name, "\n")), "name", "the host");
}

/* -- slim: the service is the only child */

static char **lines(char *content) {
    char **found = calloc(strlen(content) + 2, sizeof *found); /* at least as many as there are lines */
    int count = 0;
    for (char *line = strtok(content, "\n"); line; line = strtok(NULL, "\n"))
        found[count++] = line;
    return found;
}

static void drop_privileges(void) {
    struct rlimit files = {1024, 1024}, cores = {0, 0};
    setrlimit(RLIMIT_NOFILE, &files);
    setrlimit(RLIMIT_CORE, &cores);
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    must(setgroups(0, NULL), "drop", "groups");
    must(setresgid(USER, USER, USER), "become", "the service's group");
    must(setresuid(USER, USER, USER), "become", "the service's user");
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set", "no_new_privs");
}

static pid_t start_service(char **command, char **environment) {
    pid_t child = fork();
    must(child, "fork", command[0]);
    if (child)
        return child;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    drop_privileges();
    must(chdir("/data"), "enter", "/data");
    execve(command[0], command, environment);
    say("vmlab-guest error: exec %s: %s\n", command[0], strerror(errno));
    _exit(127);
}

static void power_off(void) {
    umount("/data");
    sync();
    reboot(RB_POWER_OFF);
}

/* Reap every child. The status of the service, or -1 while it runs. */
static int reap(pid_t service) {
    int status, found = -1;
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;)
        if (ended == service)
            found = status;
    return found;
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* How long to sleep: without limit before a shutdown request, then until the deadline. The host repeats the request
 * each second, which must not extend the deadline. */
static int rest_ms(int64_t deadline) {
    int64_t left = deadline - now_ms();
    return !deadline ? -1 : left > 0 ? (int)left : 0;
}

static void supervise(void) {
    char **command = lines(text("command")), **environment = lines(text("environment"));
    sigset_t child_ended;
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_ended, NULL);
    pid_t service = start_service(command, environment);
    struct pollfd events[] = {{.fd = power_button(), .events = POLLIN},
                              {.fd = signalfd(-1, &child_ended, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN}};
    int64_t deadline = 0; /* of a graceful shutdown; 0 until the request */
    for (int restarts = 0;;) {
        poll(events, 2, rest_ms(deadline));
        if (rest_ms(deadline) == 0) {
            kill(-1, SIGKILL);
            deadline = now_ms() + 1000; /* for processes started meanwhile */
        }
        if (pressed(events[0].fd) && !deadline) {
            deadline = now_ms() + STOP_SECONDS * 1000;
            kill(service, SIGTERM);
        }
        struct signalfd_siginfo seen;
        while (read(events[1].fd, &seen, sizeof seen) > 0)
            continue;
        int status = reap(service);
        if (status < 0)
            continue;
        if (deadline || status == 0 || restarts++ == RESTARTS)
            power_off();
        say("vmlab-guest service ended with status %d, started again\n", status);
        service = start_service(command, environment);
    }
}

/* -- into the root file system */

static void enter_root(void) {
    static const char *const moved[] = {"/dev", "/proc", "/sys", "/run"};
    for (size_t i = 0; i < sizeof moved / sizeof *moved; i++) {
        char target[32];
        snprintf(target, sizeof target, "/sysroot%s", moved[i]);
        must(mount(moved[i], target, NULL, MS_MOVE, NULL), "move", moved[i]);
    }
    must(chdir("/sysroot"), "enter", "/sysroot");
    must(mount(".", "/", NULL, MS_MOVE, NULL), "move", "/sysroot");
    must(chroot("."), "change", "root");
    must(chdir("/"), "enter", "/");
}

/* systemd starts this program again to wait for the power button; the initramfs is gone by then. */
static void keep_listener(void) {
    char program[1 << 21];
    int from = open("/init", O_RDONLY | O_CLOEXEC);
    ssize_t size = read(from, program, sizeof program);
    must((int)size, "read", "/init");
    close(from);
    write_file("/run/vmlab/guest", program, (size_t)size, 0755, 0);
}

static int listen_for_power(void) {
    struct pollfd event = {.fd = power_button(), .events = POLLIN};
    while (poll(&event, 1, -1) < 0 || !pressed(event.fd))
        continue;
    return kill(1, SIGRTMIN + 4); /* systemd: poweroff.target */
}

/* The host stamps the milestone `init` by this line, and reads from it what the guest sees: the processors that are
 * online and MemTotal, which is less than the domain's memory by what the kernel reserves. */
static void say_first_line(void) {
    cpu_set_t online;
    struct sysinfo memory;
    must(sched_getaffinity(0, sizeof online, &online), "read", "the processors");
    must(sysinfo(&memory), "read", "the memory");
    say("vmlab-guest init cpus=%d memory_bytes=%llu\n", CPU_COUNT(&online),
        (unsigned long long)memory.totalram * memory.mem_unit);
}

int main(int count, char **words) {
    if (count > 1 && !strcmp(words[1], "power"))
        return listen_for_power();
    say_first_line();
    const char *variant = getenv("vmlab_variant");
    int full = variant && !strcmp(variant, "full");
    mount_on("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_on("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_on("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
    load_modules();
    wait_for("/dev/vda");
    wait_for("/dev/vdb");
    wait_for("/dev/vdc");
    read_config("/dev/vdc");
    set_network();
    write_run();
    mount_on("/dev/vda", "/sysroot", "ext4", full ? 0 : MS_RDONLY, NULL);
    mount_on("/dev/vdb", "/sysroot/data", "ext4", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    if (full)
        keep_listener();
    else
        mount_on("tmpfs", "/sysroot/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=16m");
    enter_root();
    if (full) {
        execl("/sbin/init", "/sbin/init", (char *)NULL);
        fail("exec", "/sbin/init");
    }
    supervise();
}
