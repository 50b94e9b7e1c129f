/* One process: locks, joins, semaphores, conditions and barriers between its threads. */
#include "roles.h"

#ifndef PTHREAD_MUTEX_ADAPTIVE_NP  /* musl has none */
#define PTHREAD_MUTEX_ADAPTIVE_NP PTHREAD_MUTEX_NORMAL
#endif

static struct meeting here;
static pthread_mutex_t m[8];
static int n_of = 2;

static void init(int kind, int robust, int protocol, int pshared) {
    pthread_mutexattr_t at;
    pthread_mutexattr_init(&at);
    pthread_mutexattr_settype(&at, kind);
    if (robust) pthread_mutexattr_setrobust(&at, PTHREAD_MUTEX_ROBUST);
    if (protocol) pthread_mutexattr_setprotocol(&at, protocol);
    if (pshared) pthread_mutexattr_setpshared(&at, PTHREAD_PROCESS_SHARED);
    for (int i = 0; i < 8; i++) NEED(pthread_mutex_init(&m[i], &at) == 0);
}

/* Member i of a circle of n_of: takes its own, then the next one's. */
static void member(void *x) {
    long i = (long)x;
    pthread_mutex_lock(&m[i]);
    meet(&here, n_of);
    pthread_mutex_lock(&m[(i + 1) % n_of]);
}
static const char *const T[] = {"t1", "t2", "t3", "t4", "t5"};
static pthread_t circle(void) {
    pthread_t first = 0;
    for (long i = 0; i < n_of; i++) {
        pthread_t t = thread(T[i], member, (void *)i);
        if (i == 0) first = t;
    }
    return first;
}
static void circle_and_join(void) { role("main"); pthread_join(circle(), 0); }

static void recursive(void) { init(PTHREAD_MUTEX_RECURSIVE, 0, 0, 0); circle_and_join(); }
static void errorcheck(void) { init(PTHREAD_MUTEX_ERRORCHECK, 0, 0, 0); circle_and_join(); }
static void adaptive(void) { init(PTHREAD_MUTEX_ADAPTIVE_NP, 0, 0, 0); circle_and_join(); }
static void robust(void) { init(PTHREAD_MUTEX_NORMAL, 1, 0, 0); circle_and_join(); }
static void robust_recursive(void) { init(PTHREAD_MUTEX_RECURSIVE, 1, 0, 0); circle_and_join(); }
static void pshared(void) { init(PTHREAD_MUTEX_NORMAL, 0, 0, 1); circle_and_join(); }
static void pi(void) { init(PTHREAD_MUTEX_NORMAL, 0, PTHREAD_PRIO_INHERIT, 0); circle_and_join(); }
static void three(void) { n_of = 3; circle_and_join(); }
static void philosophers(void) { n_of = 5; circle_and_join(); }
static void zombie_leader(void) { role("main"); circle(); pthread_exit(0); }

/* The circle is not all: others work, or sleep, or wait behind. */
static void beside_sleeper(void) { role("main"); circle(); for_ever(0); }
static void spin(void *x) { (void)x; for (;;) usleep(100); }
static void beside_worker(void) { role("main"); thread("busy", spin, 0); pthread_join(circle(), 0); }
static void on_usr1(int s) { (void)s; }
static void with_handler(void) { signal(SIGUSR1, on_usr1); signal(SIGTERM, on_usr1); circle_and_join(); }
static void take(void *x) { pthread_mutex_lock(x); for_ever(0); }
/* t3 waits for t1's lock and holds m[5]; t4 waits for m[5]. */
static void chain_middle(void *x) { (void)x; while (here.come < 2) usleep(2000); pthread_mutex_lock(&m[5]); meet(&here, 3); pthread_mutex_lock(&m[0]); }
static void chain_end(void *x) { (void)x; while (here.come < 3) usleep(2000); pthread_mutex_lock(&m[5]); }
static void chain(void) {
    role("main");
    circle();
    thread("t3", chain_middle, 0);
    thread("t4", chain_end, 0);
    for_ever(0);
}
/* Two circles that do not know each other. */
static struct meeting there;
static void other(void *x) {
    long i = (long)x;
    pthread_mutex_lock(&m[4 + i]);
    meet(&there, 2);
    pthread_mutex_lock(&m[4 + 1 - i]);
}
static void two_circles(void) {
    role("main");
    circle();
    thread("u1", other, (void *)0);
    thread("u2", other, (void *)1);
    for_ever(0);
}

/* A thread and itself. */
static void twice(void *x) { pthread_mutex_lock(x); pthread_mutex_lock(x); }
static void self_main(void) { role("main"); twice(&m[0]); }
static void self_joined(void) { role("main"); pthread_join(thread("t1", twice, &m[0]), 0); }
static void self_beside(void) { role("main"); thread("t1", twice, &m[0]); for_ever(0); }

/* Whoever had it has ended. */
static void lock_and_end(void *x) { pthread_mutex_lock(x); }
static void owner_ended(void) {
    role("main");
    pthread_join(thread("gone", lock_and_end, &m[0]), 0);
    pthread_mutex_lock(&m[0]);
}
static void hold(void *x) { pthread_mutex_lock(x); meet(&here, 2); for_ever(0); }
static void fork_locked(void) {
    role("parent");
    thread("holder", hold, &m[0]);
    meet(&here, 2);
    waitpid(process("child", take, &m[0]), 0, 0);
}

/* Joins. */
static pthread_t ts[4];
static void join_next(void *x) { meet(&here, 4); pthread_join(ts[((long)x + 1) % 3], 0); }
static void join_circle(void) {
    role("main");
    for (long i = 0; i < 3; i++) ts[i] = thread(T[i], join_next, (void *)i);
    meet(&here, 4);
    for_ever(0);
}
static void want(void *x) { pthread_mutex_lock(x); }
static void join_under_lock(void) {
    role("main");
    pthread_mutex_lock(&m[0]);
    pthread_join(thread("t1", want, &m[0]), 0);
}

/* Read-write locks. */
static pthread_rwlock_t rw[2] = {PTHREAD_RWLOCK_INITIALIZER, PTHREAD_RWLOCK_INITIALIZER};
static void rw_write(void *x) {
    long i = (long)x;
    pthread_rwlock_wrlock(&rw[i]);
    meet(&here, 2);
    pthread_rwlock_wrlock(&rw[1 - i]);
}
static void rw_writers(void) {
    role("main");
    pthread_t t = thread("t1", rw_write, (void *)0);
    thread("t2", rw_write, (void *)1);
    pthread_join(t, 0);
}
static void rw_then_mutex(void *x) { (void)x; pthread_rwlock_wrlock(&rw[0]); meet(&here, 2); pthread_mutex_lock(&m[0]); }
static void mutex_then_read(void *x) { (void)x; pthread_mutex_lock(&m[0]); meet(&here, 2); pthread_rwlock_rdlock(&rw[0]); }
static void rw_mutex(void) {
    role("main");
    pthread_t t = thread("t1", rw_then_mutex, 0);
    thread("t2", mutex_then_read, 0);
    pthread_join(t, 0);
}
static void upgrade(void *x) { (void)x; pthread_rwlock_rdlock(&rw[0]); meet(&here, 2); pthread_rwlock_wrlock(&rw[0]); }
static void rw_upgrade(void) {
    role("main");
    pthread_t t = thread("t1", upgrade, 0);
    thread("t2", upgrade, 0);
    pthread_join(t, 0);
}
static void rw_self(void) { role("main"); pthread_rwlock_rdlock(&rw[0]); pthread_rwlock_wrlock(&rw[0]); }
static void rw_write_second(void *x) { (void)x; meet(&here, 2); pthread_rwlock_wrlock(&rw[0]); }
static void rw_read_twice(void *x) {
    (void)x;
    pthread_rwlock_rdlock(&rw[0]);
    meet(&here, 2);
    /* Until the other one waits: it then has a bit of the word. */
    while (!(__atomic_load_n((int *)&rw[0], __ATOMIC_SEQ_CST) & 2)) usleep(2000);
    pthread_rwlock_rdlock(&rw[0]);
}
static void rw_writers_first(void) {
    pthread_rwlockattr_t first;
    pthread_rwlockattr_init(&first);
#ifdef __GLIBC__
    pthread_rwlockattr_setkind_np(&first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
    pthread_rwlock_init(&rw[0], &first);
    role("main");
    pthread_t t = thread("t1", rw_read_twice, 0);
    thread("t2", rw_write_second, 0);
    pthread_join(t, 0);
}
static void end_with_it(void *x) { pthread_mutex_lock(x); }
static void take_it(void *x) { pthread_mutex_lock(x); }
static void owner_ended_joined(void) {
    static pthread_mutex_t it = PTHREAD_MUTEX_INITIALIZER;
    role("main");
    pthread_join(thread(0, end_with_it, &it), 0);
    pthread_t t = thread("t1", take_it, &it);
    thread("t2", take_it, &it);
    pthread_join(t, 0);
}
static void rw_hold(void *x) { (void)x; pthread_rwlock_wrlock(&rw[0]); meet(&here, 3); for_ever(0); }
static void rw_read(void *x) { (void)x; meet(&here, 3); pthread_rwlock_rdlock(&rw[0]); }
static void ok_rw(void) {
    role("main");
    pthread_t t = thread("t1", rw_hold, 0);
    thread("t2", rw_read, 0);
    thread("t3", rw_read, 0);
    pthread_join(t, 0);
}

/* Nobody is recorded. */
static sem_t sem[2];
static void sem_take(void *x) { long i = (long)x; sem_wait(&sem[i]); meet(&here, 2); sem_wait(&sem[1 - i]); }
static void sem_abba(void) {
    role("main");
    sem_init(&sem[0], 0, 1);
    sem_init(&sem[1], 0, 1);
    pthread_t t = thread("t1", sem_take, (void *)0);
    thread("t2", sem_take, (void *)1);
    pthread_join(t, 0);
}
static void sem_alone(void) { role("main"); sem_init(&sem[0], 0, 0); sem_wait(&sem[0]); }
static pthread_barrier_t barrier;
static void arrive(void *x) { (void)x; pthread_barrier_wait(&barrier); }
static void barrier_short(void) {
    role("main");
    pthread_barrier_init(&barrier, 0, 3);
    pthread_t t = thread("t1", arrive, 0);
    thread("t2", arrive, 0);
    pthread_join(t, 0);
}
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static void cond_alone(void) { role("main"); pthread_mutex_lock(&m[0]); pthread_cond_wait(&cond, &m[0]); }
/* Nested monitors: waits for a signal while it holds the outer lock that the signaller needs. */
static void nested(void *x) {
    (void)x;
    pthread_mutex_lock(&m[1]);
    pthread_mutex_lock(&m[0]);
    meet(&here, 2);
    pthread_cond_wait(&cond, &m[0]);
}
static void cond_nested(void) { role("main"); thread("t1", nested, 0); meet(&here, 2); pthread_mutex_lock(&m[1]); }

/* What ends by itself, or might. */
static struct timespec later(void) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); t.tv_sec += 600; return t; }
static void timed(void *x) {
    long i = (long)x;
    struct timespec t = later();
    pthread_mutex_lock(&m[i]);
    meet(&here, 2);
    pthread_mutex_timedlock(&m[1 - i], &t);
}
static void ok_timed(void) { role("main"); pthread_t t = thread("t1", timed, (void *)0); thread("t2", timed, (void *)1); pthread_join(t, 0); }
static void ok_half_timed(void) { role("main"); pthread_t t = thread("t1", timed, (void *)0); thread("t2", member, (void *)1); pthread_join(t, 0); }
static void ok_chain(void) {
    role("main");
    thread("t1", hold, &m[0]);
    meet(&here, 2);
    thread("t3", chain_middle, 0);
    thread("t4", chain_end, 0);
    for_ever(0);
}
static void sem_want(void *x) { sem_wait(x); }
static void ok_sem_sleeper(void) {
    role("main");
    sem_init(&sem[0], 0, 0);
    thread("t1", sem_want, &sem[0]);
    thread("t2", sem_want, &sem[0]);
    thread("t3", for_ever, 0);
    pthread_join(thread("t4", sem_want, &sem[0]), 0);
}
static void ok_rw_upgrade_beside(void) { role("main"); thread("t1", upgrade, 0); thread("t2", upgrade, 0); for_ever(0); }
static void sigwaiter(void *x) { sigset_t s; int n; (void)x; sigemptyset(&s); sigaddset(&s, SIGTERM); sigwait(&s, &n); }
static void ok_sigwait(void) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &s, 0);
    role("main");
    sem_init(&sem[0], 0, 0);
    thread("t1", sem_want, &sem[0]);
    pthread_join(thread("t2", sigwaiter, 0), 0);
}
static void reader(void *x) { char c; (void)x; NEED(read(0, &c, 1) >= 0); }
static void ok_stdin_holder(void) {
    role("main");
    pthread_mutex_lock(&m[0]);
    thread("t1", want, &m[0]);
    thread("t2", want, &m[0]);
    reader(0);
}
static void ok_join_sleeper(void) { role("main"); pthread_join(thread("t1", for_ever, 0), 0); }

/* What never stands still for long. */
static void fight(void *x) { for (unsigned n = (long)x; ; n++) { pthread_mutex_lock(&m[0]); if (n % 7 == 0) usleep(1000); pthread_mutex_unlock(&m[0]); if (n % 5 == 0) usleep(300); } }
static void ok_contended(int kind, int robust, int protocol) {
    init(kind, robust, protocol, 0);
    role("main");
    pthread_t t = thread("t1", fight, (void *)1);
    for (long i = 2; i < 6; i++) thread(T[i - 1], fight, (void *)i);
    pthread_join(t, 0);
}
static void ok_contended_robust(void) { ok_contended(PTHREAD_MUTEX_RECURSIVE, 1, 0); }
static void ok_contended_pi(void) { ok_contended(PTHREAD_MUTEX_NORMAL, 0, PTHREAD_PRIO_INHERIT); }
static void rw_fight(void *x) {
    for (unsigned n = (long)x; ; n++) {
        if (n % 3) pthread_rwlock_rdlock(&rw[0]); else pthread_rwlock_wrlock(&rw[0]);
        usleep(n % 11 == 0 ? 2000 : 50);
        pthread_rwlock_unlock(&rw[0]);
    }
}
static void ok_contended_rw(void) { role("main"); pthread_t t = thread("t1", rw_fight, (void *)1); for (long i = 2; i < 6; i++) thread(T[i - 1], rw_fight, (void *)i); pthread_join(t, 0); }
static void rounds(void *x) { (void)x; for (;;) { pthread_barrier_wait(&barrier); usleep(500); } }
static void ok_barrier_rounds(void) { role("main"); pthread_barrier_init(&barrier, 0, 3); pthread_t t = thread("t1", rounds, 0); thread("t2", rounds, 0); thread("t3", rounds, 0); pthread_join(t, 0); }
static void sem_ping(void *x) { long i = (long)x; for (;;) { sem_wait(&sem[i]); usleep(200); sem_post(&sem[1 - i]); } }
static void ok_sem_ping(void) { role("main"); sem_init(&sem[0], 0, 1); sem_init(&sem[1], 0, 0); pthread_t t = thread("t1", sem_ping, (void *)0); thread("t2", sem_ping, (void *)1); pthread_join(t, 0); }
static void brief(void *x) { (void)x; pthread_mutex_lock(&m[0]); usleep(300); pthread_mutex_unlock(&m[0]); }
static void ok_thread_storm(void) { role("main"); for (;;) { pthread_t t[8]; for (int i = 0; i < 8; i++) t[i] = thread(0, brief, 0); for (int i = 0; i < 8; i++) pthread_join(t[i], 0); } }

SCENARIOS(
    {"recursive", recursive}, {"errorcheck", errorcheck}, {"adaptive", adaptive}, {"robust", robust},
    {"robust_recursive", robust_recursive}, {"pshared", pshared}, {"pi", pi}, {"three", three},
    {"philosophers", philosophers}, {"zombie_leader", zombie_leader}, {"beside_sleeper", beside_sleeper},
    {"beside_worker", beside_worker}, {"with_handler", with_handler}, {"chain", chain},
    {"two_circles", two_circles}, {"self_main", self_main}, {"self_joined", self_joined},
    {"self_beside", self_beside}, {"owner_ended", owner_ended}, {"fork_locked", fork_locked},
    {"join_circle", join_circle}, {"join_under_lock", join_under_lock}, {"rw_writers", rw_writers},
    {"rw_mutex", rw_mutex}, {"rw_upgrade", rw_upgrade}, {"rw_self", rw_self}, {"rw_writers_first", rw_writers_first},
    {"owner_ended_joined", owner_ended_joined}, {"sem_abba", sem_abba},
    {"sem_alone", sem_alone}, {"barrier_short", barrier_short}, {"cond_alone", cond_alone},
    {"cond_nested", cond_nested}, {"ok_rw", ok_rw}, {"ok_timed", ok_timed},
    {"ok_half_timed", ok_half_timed}, {"ok_chain", ok_chain}, {"ok_sem_sleeper", ok_sem_sleeper},
    {"ok_rw_upgrade_beside", ok_rw_upgrade_beside}, {"ok_sigwait", ok_sigwait},
    {"ok_stdin_holder", ok_stdin_holder}, {"ok_join_sleeper", ok_join_sleeper},
    {"ok_contended_robust", ok_contended_robust}, {"ok_contended_pi", ok_contended_pi},
    {"ok_contended_rw", ok_contended_rw}, {"ok_barrier_rounds", ok_barrier_rounds},
    {"ok_sem_ping", ok_sem_ping}, {"ok_thread_storm", ok_thread_storm})
