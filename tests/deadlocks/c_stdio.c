/* Threads that wait for the locks of stdio's files, which lie side by side in memory. */
#include "roles.h"

static struct meeting all;
static int up[2];

static void prints(void *x) {
    (void)x;
    meet(&all, 2);
    printf("x\n");
}

/* Who has the lock of stdout joins a thread that wants to print. */
static void lock_and_join(void) {
    role("main");
    pthread_t t = thread("t1", prints, 0);
    flockfile(stdout);
    meet(&all, 2);
    pthread_join(t, 0);
}

static void pager(void *x) {
    (void)x;
    close(up[1]);
    for_ever(0);
}
static void fills(void *x) {
    (void)x;
    for (;;) fprintf(stdout, "%1000d\n", 1);
}
static void prints_late(void *x) {
    (void)x;
    usleep(300000);
    printf("x\n");
}
/* The first fills the pipe to a pager that pauses, the second waits for the lock of stdout that
   the first has, and main reads what somebody may type, with the lock of stdin. */
static void ok_pager(void) {
    char line[128];
    role("main");
    NEED(pipe(up) == 0);
    process("pager", pager, 0);
    NEED(dup2(up[1], 1) == 1);
    close(up[0]);
    close(up[1]);
    thread(0, fills, 0);
    thread(0, prints_late, 0);
    if (!fgets(line, sizeof line, stdin)) for_ever(0);
}

SCENARIOS({"lock_and_join", lock_and_join}, {"ok_pager", ok_pager})
