/* A C program without a C library: how it starts, how it asks the kernel, and how it writes JSON.
 *
 * Static glibc is 700 KB, and a shared one would have to be the same in every root; this is a few KB that run wherever
 * the kernel does, and that fit into an environment variable. Machines: x86_64 and aarch64.
 */
#pragma once
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/signal.h>
#include <linux/time.h>

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call started\n");
static long ask(long number, long a, long b, long c, long d, long e, long f) {
    register long fourth __asm__("r10") = d, fifth __asm__("r8") = e, sixth __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x0, sp\n bl started\n");
static long ask(long number, long a, long b, long c, long d, long e, long f) {
    register long n __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(n), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
    return x0;
}
#else
#error "the calls of this machine are not known"
#endif

/* The result, or the negative number of the error. */
#define CALL(name, ...) CALL_(name, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(name, a, b, c, d, e, f, ...) \
    ask(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

typedef unsigned long size;

/* The compiler itself calls these two. */
void *memset(void *to, int value, size count) {
    for (char *at = to; count--;)
        *at++ = (char)value;
    return to;
}

void *memcpy(void *to, const void *from, size count) {
    for (char *at = to; count--;)
        *at++ = *(const char *)from++;
    return to;
}

static size length(const char *text) {
    size count = 0;
    while (text[count])
        count++;
    return count;
}

static int begins(const char *text, const char *with) {
    while (*with)
        if (*text++ != *with++)
            return 0;
    return 1;
}

static long number_in(const char *text) {
    long value = 0;
    while (*text >= '0' && *text <= '9')
        value = value * 10 + *text++ - '0';
    return value;
}

static char **environment;

/* The value of a variable; "" for none. */
static const char *setting(const char *name) {
    for (char **at = environment; *at; at++)
        if (begins(*at, name) && (*at)[length(name)] == '=')
            return *at + length(name) + 1;
    return "";
}

static long long now_ns(int clock) {
    struct {
        long long seconds, nanoseconds;
    } t = {0, 0};
    CALL(clock_gettime, clock, &t);
    return t.seconds * 1000000000LL + t.nanoseconds;
}

/* -- JSON, into one buffer; what does not fit is cut off, and then it is not JSON, which the reader reports */

static char printed[1 << 20];
static size printed_length;

static void put(const char *text, size count) {
    for (size i = 0; i < count && printed_length < sizeof printed; i++)
        printed[printed_length++] = text[i];
}

static void raw(const char *text) { put(text, length(text)); }

static void quoted(const char *text, size count) {
    raw("\"");
    for (size i = 0; i < count; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n')
            raw("\\n");
        else if (c == '\t')
            raw("\\t");
        else if (c == '"' || c == '\\')
            raw("\\"), put(&text[i], 1);
        else if (c < 32 || c > 126)
            raw("?");
        else
            put(&text[i], 1);
    }
    raw("\"");
}

static void decimal(long long value) {
    char digits[24];
    size at = sizeof digits;
    unsigned long long rest = value < 0 ? 0ULL - (unsigned long long)value : (unsigned long long)value;
    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        digits[--at] = '-';
    put(digits + at, sizeof digits - at);
}

/* Commas: members and items follow each other, so an opening bracket is the only thing that needs none. */
static void separate(void) {
    char last = printed_length ? printed[printed_length - 1] : '{';
    if (last != '{' && last != '[' && last != ':')
        raw(",");
}

static void name(const char *text) {
    separate();
    quoted(text, length(text));
    raw(":");
}

static void object(const char *key) {
    name(key);
    raw("{");
}

static void array(const char *key) {
    name(key);
    raw("[");
}

static void item(const char *text) {
    separate();
    quoted(text, length(text));
}

static void member(const char *key, const char *value) {
    name(key);
    quoted(value, length(value));
}

static void count(const char *key, long long value) {
    name(key);
    decimal(value);
}
