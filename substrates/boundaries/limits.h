/* Whether limits hold: memory, processes and CPUs, each asked for beyond its limit by children that shall be ended first.
 *
 * A part of probe.c, which states the bounds. Out of scope: disk, which no substrate of the lab limits.
 */
#pragma once

static void try_memory(long bound) {
    if (!bound)
        return;
    shared[0] = 0;
    long child = fork_();
    if (child == 0) {
        end_within(8000000);
        long file = CALL(openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY);
        CALL(write, file, "1000", 4);
        for (long taken = 0; taken < bound; taken += STEP) {
            char *piece = (char *)CALL(mmap, 0, STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if ((long)piece < 0 && (long)piece > -4096)
                CALL(exit_group, -(long)piece);
            for (long at = 0; at < STEP; at += 4096)
                piece[at] = 1;
            shared[0] = taken + STEP;
        }
        CALL(exit_group, 0);
    }
    int status = await(child);
    object("memory");
    count("asked", bound);
    count("got", shared[0]);
    count("signal", status & 127);
    count("error", status >> 8 & 255);
    raw("}");
}

static void try_tasks(long bound) {
    int ends[2];
    long made = 0, child = 0;
    if (!bound || CALL(pipe2, ends, O_CLOEXEC) < 0)
        return;
    while (made < bound && (child = fork_()) > 0)
        made++;
    if (child == 0 && made < bound) { /* a child: lives until the pipe is closed */
        char nothing;
        end_within(8000000);
        CALL(close, ends[1]);
        CALL(read, ends[0], &nothing, 1);
        CALL(exit_group, 0);
    }
    CALL(close, ends[1]);
    CALL(close, ends[0]);
    for (long i = 0; i < made; i++)
        await(-1);
    object("tasks");
    count("asked", bound);
    count("got", made);
    count("error", child < 0 ? -child : 0);
    raw("}");
}

static void try_cpus(long busy) {
    long long start = now_ns(1);
    if (!busy || busy > MOST_CPUS)
        return;
    for (long i = 0; i < busy; i++)
        if (fork_() == 0) {
            end_within(8000000);
            while (now_ns(1) - start < 1500000000LL)
                continue;
            shared[i] = now_ns(2); /* CLOCK_PROCESS_CPUTIME_ID */
            CALL(exit_group, 0);
        }
    long long used = 0;
    for (long i = 0; i < busy; i++)
        await(-1);
    for (long i = 0; i < busy; i++)
        used += shared[i];
    object("cpus");
    count("asked", busy);
    count("wall_ns", now_ns(1) - start);
    count("used_ns", used);
    raw("}");
}

static void tell_limits(void) {
    object("limits");
    shared = (void *)CALL(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    try_memory(number_in(setting("PROBE_MEMORY")));
    try_tasks(number_in(setting("PROBE_TASKS")));
    try_cpus(number_in(setting("PROBE_CPUS")));
    unsigned char mask[128] = {0};
    long got = CALL(sched_getaffinity, 0, sizeof mask, mask), cpus = 0;
    for (long i = 0; i < got * 8; i++)
        cpus += mask[i / 8] >> i % 8 & 1;
    count("processors", cpus);
    raw("}");
}
