/* Output of a guest's first program on the console, and its end when it cannot continue. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

static void say(const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length > 0 && write(1, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1) < 0)
        return; /* no console */
}

/* Ends the guest: a VM that cannot boot must not wait for a deadline. */
static void fail(const char *what, const char *thing) {
    say("vmlab-guest error: %s %s: %s\n", what, thing, strerror(errno));
    sync();
    reboot(RB_POWER_OFF);
    _exit(1);
}

static void must(int result, const char *what, const char *thing) {
    if (result < 0)
        fail(what, thing);
}
