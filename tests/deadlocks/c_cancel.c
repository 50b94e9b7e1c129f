/* Threads that pthread_cancel(3) might free: only where somebody is left to call it. */
#include "roles.h"

static pthread_t threads[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct meeting all;

static void joiner(void *of) {
    meet(&all, 3);
    pthread_join(threads[(long)of], 0);
}

/* Two threads join each other, and who started them sleeps before it cancels one. */
static void joins(void) {
    threads[0] = thread("t1", joiner, (void *)1);
    threads[1] = thread("t2", joiner, (void *)0);
    role("main");
    meet(&all, 3);
    for_ever(0);
    pthread_cancel(threads[0]);
}

/* A thread that has a lock joins one that wants it. */
static void unlock(void *x) {
    pthread_mutex_unlock(x);
}
static void holder(void *x) {
    (void)x;
    pthread_mutex_lock(&lock);
    meet(&all, 3);
    pthread_cleanup_push(unlock, &lock);
    pthread_join(threads[1], 0);
    pthread_cleanup_pop(1);
}
static void wanter(void *x) {
    (void)x;
    meet(&all, 3);
    pthread_mutex_lock(&lock);
}
static void held(void) {
    threads[1] = thread("t2", wanter, 0);
    threads[0] = thread("t1", holder, 0);
    role("main");
    meet(&all, 3);
    for_ever(0);
    pthread_cancel(threads[0]);
}

/* As the first, but who might cancel them is stuck as well: it takes its own lock twice. */
static void nobody_left(void) {
    threads[0] = thread("t1", joiner, (void *)1);
    threads[1] = thread("t2", joiner, (void *)0);
    role("main");
    meet(&all, 3);
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock);
    pthread_cancel(threads[0]);
}

SCENARIOS({"joins", joins}, {"held", held}, {"nobody_left", nobody_left})
