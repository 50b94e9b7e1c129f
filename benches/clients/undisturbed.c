/* Counts what being looked at must not change.

   undisturbed eintr      threads in calls that a debugger would make end with EINTR; a line on
                          standard input, or its end, ends them. Prints how often each said EINTR
   undisturbed work SECONDS
                          hands a byte to and fro between two processes and a mutex between two
                          threads, and prints how often a second
   undisturbed blocked N  N processes that wait for ever: for a mutex, a file lock, a pipe
   undisturbed hang       two threads that deadlock, and the moment they do (CLOCK_MONOTONIC) */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }

/* Each goes round until `ended`; `poke` brings the long waits to an end. */
static volatile int ended;
static int set, queue, event, epoll_fd;
static long rounds[6], interrupted[6];
static void count(int i, long result) { rounds[i]++; if (result < 0 && errno == EINTR) interrupted[i]++; }
static void *by_semop(void *x) { struct sembuf b = {0, -1, 0}; while (!ended) count(0, semop(set, &b, 1)); return x; }
static void *by_epoll(void *x) {
    struct epoll_event e;
    uint64_t n;
    while (!ended) { count(1, epoll_wait(epoll_fd, &e, 1, -1)); if (read(event, &n, 8) < 0) continue; }
    return x;
}
static void *by_sleep(void *x) { struct timespec t = {0, 30000000}; while (!ended) count(2, nanosleep(&t, 0)); return x; }
static void *by_poll(void *x) { struct pollfd p = {epoll_fd, 0, 0}; while (!ended) count(3, poll(&p, 1, 30)); return x; }
static void *by_message(void *x) { struct { long type; char c; } m; while (!ended) count(4, msgrcv(queue, &m, 1, 1, 0)); return x; }
static void *by_sigwait(void *x) {
    sigset_t s;
    struct timespec t = {0, 30000000};
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    while (!ended) count(5, sigtimedwait(&s, 0, &t));
    return x;
}
static void poke(void) {
    struct sembuf b = {0, 1, 0};
    struct { long type; char c; } m = {1, 0};
    uint64_t one = 1;
    if (semop(set, &b, 1) || write(event, &one, 8) != 8 || msgsnd(queue, &m, 1, IPC_NOWAIT)) perror("poke");
}
static int eintr(void) {
    static const char *const names[] = {"semop", "epoll_wait", "nanosleep", "poll", "msgrcv", "sigtimedwait"};
    void *(*const runs[])(void *) = {by_semop, by_epoll, by_sleep, by_poll, by_message, by_sigwait};
    struct epoll_event e = {.events = EPOLLIN};
    struct pollfd in = {0, POLLIN, 0};
    pthread_t t[6];
    set = semget(IPC_PRIVATE, 1, 0600);
    queue = msgget(IPC_PRIVATE, 0600);
    event = eventfd(0, EFD_NONBLOCK);
    epoll_fd = epoll_create1(0);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event, &e);
    for (int i = 0; i < 6; i++) pthread_create(&t[i], 0, runs[i], 0);
    printf("ready %d\n", getpid());
    fflush(stdout);
    /* Long waits and short ones: every half second all of them come back. */
    while (poll(&in, 1, 500) == 0) poke();
    ended = 1;
    poke();
    for (int i = 0; i < 6; i++) pthread_join(t[i], 0);
    semctl(set, 0, IPC_RMID);
    msgctl(queue, IPC_RMID, 0);
    long all = 0;
    for (int i = 0; i < 6; i++) {
        printf("%s %ld of %ld\n", names[i], interrupted[i], rounds[i]);
        all += interrupted[i];
    }
    printf("eintr %ld\n", all);
    return 0;
}

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static long turns[2];
static void *take_turns(void *x) { while (!ended) { pthread_mutex_lock(&m); turns[(long)x]++; pthread_mutex_unlock(&m); } return 0; }
static int work(double seconds) {
    int up[2], down[2];
    char c = 0;
    long bytes = 0;
    pthread_t t[2];
    if (pipe(up) || pipe(down)) return 1;
    pid_t k = fork();
    if (k == 0) {
        close(up[0]); close(down[1]);
        while (read(down[0], &c, 1) == 1) if (write(up[1], &c, 1) != 1) break;
        _exit(0);
    }
    close(up[1]); close(down[0]);
    for (long i = 0; i < 2; i++) pthread_create(&t[i], 0, take_turns, (void *)i);
    double end = now() + seconds;
    while (now() < end) for (int i = 0; i < 100; i++) { if (write(down[1], &c, 1) != 1 || read(up[0], &c, 1) != 1) return 1; bytes++; }
    ended = 1;
    for (int i = 0; i < 2; i++) pthread_join(t[i], 0);
    close(down[1]);
    waitpid(k, 0, 0);
    printf("%.0f %.0f\n", bytes / seconds, (turns[0] + turns[1]) / seconds);
    return 0;
}

static int blocked(long n) {
    struct shared { pthread_mutex_t m; volatile long come; } *s;
    pthread_mutexattr_t a;
    char path[] = "/tmp/undisturbed.XXXXXX", c;
    int p[2], f = mkstemp(path);
    s = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&s->m, &a);
    pthread_mutex_lock(&s->m);
    if (f < 0 || pipe(p) || flock(f, LOCK_EX)) return 1;
    for (long i = 0; i < n; i++)
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            __atomic_add_fetch(&s->come, 1, __ATOMIC_SEQ_CST);
            close(p[1]);
            if (i % 3 == 0) pthread_mutex_lock(&s->m);
            else if (i % 3 == 1) flock(open(path, O_RDWR), LOCK_EX);
            else if (read(p[0], &c, 1)) {}
            pause();
        }
    while (s->come < n) usleep(1000);
    printf("ready %d\n", getpid());
    fflush(stdout);
    /* Its standard input ends with whoever started it. */
    while (read(0, &c, 1) > 0) {}
    unlink(path);
    kill(0, SIGTERM);
    return 0;
}

static pthread_mutex_t two[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static volatile int go;
static void *hang_on(void *x) {
    long i = (long)x;
    pthread_mutex_lock(&two[i]);
    while (!go) usleep(500);
    usleep(2000);
    if (i) { printf("hangs %.6f\n", now()); fflush(stdout); }
    pthread_mutex_lock(&two[1 - i]);
    return 0;
}
static int hang(void) {
    pthread_t t[2];
    char c;
    for (long i = 0; i < 2; i++) pthread_create(&t[i], 0, hang_on, (void *)i);
    printf("ready %d\n", getpid());
    fflush(stdout);
    if (read(0, &c, 1) < 0) return 1;
    go = 1;
    while (read(0, &c, 1) > 0) {}
    return 0;
}

int main(int n, char **words) {
    if (n > 1 && !strcmp(words[1], "eintr")) return eintr();
    if (n > 1 && !strcmp(words[1], "hang")) return hang();
    if (n > 2 && !strcmp(words[1], "work")) return work(atof(words[2]));
    if (n > 2 && !strcmp(words[1], "blocked")) return blocked(atol(words[2]));
    return 2;
}
