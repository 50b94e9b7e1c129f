/* Threads and processes that wait for one another, each scene in a known way. Each of them
   prints "role NAME PID TID" before it blocks; the test waits until what it looks for is seen. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PTHREAD_MUTEX_ADAPTIVE_NP
#define PTHREAD_MUTEX_ADAPTIVE_NP PTHREAD_MUTEX_NORMAL /* musl */
#endif

static void role(const char *name) {
    char line[100];
    int n = snprintf(line, sizeof line, "role %s %d %ld\n", name, getpid(), syscall(SYS_gettid));
    if (write(1, line, n) != n) _exit(9);
}

/* A child that ends when whoever started it does. */
static pid_t child(const char *name) {
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(9);
        role(name);
    }
    return pid;
}

static void rest(void) {
    for (;;) pause();
}

/* A thread with a name for a role, and a way to say that it has done its first part. */
struct act {
    const char *name;
    void (*first)(void *), (*then)(void *);
    void *first_of, *then_of;
    sem_t done;
};

static void *play(void *of) {
    struct act *act = of;
    if (act->first) act->first(act->first_of);
    sem_post(&act->done);
    if (*act->name) role(act->name);
    act->then(act->then_of);
    return 0;
}

static pthread_t thread(struct act *act) {
    pthread_t thread;
    sem_init(&act->done, 0, 0);
    pthread_create(&thread, 0, play, act);
    while (sem_wait(&act->done)) {}
    return thread;
}

static void lock(void *mutex) { pthread_mutex_lock(mutex); }
static void write_lock(void *lock) { pthread_rwlock_wrlock(lock); }
static void read_lock(void *lock) { pthread_rwlock_rdlock(lock); }
static void sleep_long(void *x) { (void)x; for (;;) sleep(1000); }

static void *shared(void) {
    return mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void init_mutex(pthread_mutex_t *mutex, int type, int is_shared, int robust, int pi) {
    pthread_mutexattr_t with;
    pthread_mutexattr_init(&with);
    pthread_mutexattr_settype(&with, type);
    if (is_shared) pthread_mutexattr_setpshared(&with, PTHREAD_PROCESS_SHARED);
    if (robust) pthread_mutexattr_setrobust(&with, PTHREAD_MUTEX_ROBUST);
    if (pi) pthread_mutexattr_setprotocol(&with, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(mutex, &with);
}

static void contend(pthread_mutex_t *mutex) {
    static struct act holder = {"holder", lock, sleep_long}, waiter = {"waiter", 0, lock};
    holder.first_of = waiter.then_of = mutex;
    thread(&holder);
    thread(&waiter);
    rest();
}

static void mutexes(const char *which) {
    static pthread_mutex_t mutex;
    int recursive = PTHREAD_MUTEX_RECURSIVE, check = PTHREAD_MUTEX_ERRORCHECK;
    if (!strcmp(which, "normal")) init_mutex(&mutex, PTHREAD_MUTEX_NORMAL, 0, 0, 0);
    if (!strcmp(which, "recursive")) init_mutex(&mutex, recursive, 0, 0, 0);
    if (!strcmp(which, "errorcheck")) init_mutex(&mutex, check, 0, 0, 0);
    if (!strcmp(which, "adaptive")) init_mutex(&mutex, PTHREAD_MUTEX_ADAPTIVE_NP, 0, 0, 0);
    if (!strcmp(which, "shared")) init_mutex(&mutex, 0, 1, 0, 0);
    if (!strcmp(which, "robust")) init_mutex(&mutex, 0, 0, 1, 0);
    if (!strcmp(which, "pi")) init_mutex(&mutex, 0, 0, 0, 1);
    contend(&mutex);
}

/* The same thread takes a normal mutex twice. */
static void twice(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    role("waiter");
    pthread_mutex_lock(&mutex);
}

/* A child takes a mutex in shared memory and keeps it, or ends. */
static void shared_mutex(int ends, int robust) {
    pthread_mutex_t *mutex = shared();
    int said[2];
    char c;
    if (pipe(said)) _exit(9);
    init_mutex(mutex, 0, 1, robust, 0);
    pid_t holder = child("holder");
    if (holder == 0) {
        pthread_mutex_lock(mutex);
        if (write(said[1], "x", 1) != 1) _exit(9);
        if (ends) _exit(0);
        rest();
    }
    if (read(said[0], &c, 1) != 1) _exit(9);
    if (ends) waitpid(holder, 0, 0);
    role("waiter");
    pthread_mutex_lock(mutex);
}

/* A fork copies a mutex that another thread has, but not that thread. */
static void forked_mutex(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static struct act holder = {"holder", lock, sleep_long, &mutex};
    thread(&holder);
    if (child("waiter") == 0) {
        pthread_mutex_lock(&mutex);
        _exit(0);
    }
    rest();
}

static void joins(void) {
    static struct act other = {"other", 0, sleep_long};
    pthread_t thread_of = thread(&other);
    role("waiter");
    pthread_join(thread_of, 0);
}

static void rwlocks(int held_by_writer, int wants_to_write) {
    static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    static struct act holder = {"holder", 0, sleep_long}, waiter = {"waiter"};
    holder.first = held_by_writer ? write_lock : read_lock;
    waiter.then = wants_to_write ? write_lock : read_lock;
    holder.first_of = waiter.then_of = &lock;
    thread(&holder);
    thread(&waiter);
    rest();
}

static pthread_mutex_t of_condition = PTHREAD_MUTEX_INITIALIZER;
static void wait_condition(void *condition) {
    pthread_mutex_lock(&of_condition);
    for (;;) pthread_cond_wait(condition, &of_condition);
}
static void wait_semaphore(void *semaphore) { for (;;) sem_wait(semaphore); }
static void wait_barrier(void *barrier) { pthread_barrier_wait(barrier); }

static void ownerless(const char *which) {
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    static sem_t semaphore;
    static pthread_barrier_t barrier;
    static struct act waiter = {"waiter"};
    sem_init(&semaphore, 0, 0);
    pthread_barrier_init(&barrier, 0, 3);
    if (!strcmp(which, "condvar")) waiter.then = wait_condition, waiter.then_of = &condition;
    if (!strcmp(which, "semaphore")) waiter.then = wait_semaphore, waiter.then_of = &semaphore;
    if (!strcmp(which, "barrier")) waiter.then = wait_barrier, waiter.then_of = &barrier;
    thread(&waiter);
    rest();
}

static void shared_semaphore(void) {
    sem_t *semaphore = shared();
    sem_init(semaphore, 1, 0);
    if (child("waiter") == 0) for (;;) sem_wait(semaphore);
    if (child("user") == 0) rest();
    if (child("stranger") == 0) {
        munmap(semaphore, 4096);
        rest();
    }
    rest();
}

/* Reader and writer of two pipes; the parent keeps no end. */
static void pipes(int full) {
    int p[2];
    if (pipe(p)) _exit(9);
    if (child("reader") == 0) {
        char c;
        close(p[1]);
        if (!full) while (read(p[0], &c, 1) > 0) {}
        rest();
    }
    if (child("writer") == 0) {
        static char room[1 << 20];
        close(p[0]);
        if (full) while (write(p[1], room, sizeof room) > 0) {}
        rest();
    }
    close(p[0]);
    close(p[1]);
    role("parent");
    rest();
}

static void fifo(const char *path) {
    mkfifo(path, 0600);
    if (child("waiter") == 0) {
        char c;
        int fd = open(path, O_RDWR);
        if (read(fd, &c, 1)) _exit(9);
    }
    if (child("opener") == 0) open(path, O_RDONLY);
    rest();
}

static int lock_file(const char *path, const char *how, int type) {
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    struct flock range = {.l_type = type == LOCK_EX ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    int failed = 1;
    if (!strcmp(how, "flock")) failed = flock(fd, type);
    if (!strcmp(how, "posix")) failed = fcntl(fd, F_SETLKW, &range);
    if (!strcmp(how, "ofd")) failed = fcntl(fd, F_OFD_SETLKW, &range);
    if (failed) _exit(9);
    return fd;
}

/* Two readers of a lock and who wants to write; the taker of the first has gone and left it to
   two children where locks are inherited. */
static void locks(const char *path, const char *how) {
    int said[2];
    char c;
    if (pipe(said)) _exit(9);
    int inherits = strcmp(how, "posix");
    pid_t taker = fork();
    if (taker == 0) {
        prctl(PR_SET_CHILD_SUBREAPER, 0);
        lock_file(path, how, LOCK_SH);
        if (inherits) {
            for (int i = 0; i < 2; i++) {
                if (fork() == 0) {
                    role(i ? "heir2" : "heir1");
                    if (write(said[1], "x", 1) != 1) _exit(9);
                    rest();
                }
            }
            _exit(0);
        }
        role("heir1");
        if (write(said[1], "x", 1) != 1) _exit(9);
        rest();
    }
    for (int i = 0; i < (inherits ? 2 : 1); i++)
        if (read(said[0], &c, 1) != 1) _exit(9);
    if (child("holder") == 0) {
        lock_file(path, how, LOCK_SH);
        if (write(said[1], "x", 1) != 1) _exit(9);
        rest();
    }
    if (read(said[0], &c, 1) != 1) _exit(9);
    if (inherits) waitpid(taker, 0, 0);
    role("waiter");
    lock_file(path, how, LOCK_EX);
}

static void children(const char *how) {
    pid_t first = child("first");
    if (first == 0) rest();
    if (child("second") == 0) rest();
    role("waiter");
    siginfo_t info;
    if (!strcmp(how, "any")) waitpid(-1, 0, 0);
    if (!strcmp(how, "pid")) waitpid(first, 0, 0);
    if (!strcmp(how, "waitid")) waitid(P_PID, first, &info, WEXITED);
    if (!strcmp(how, "pidfd")) waitid(3, syscall(SYS_pidfd_open, first, 0), &info, WEXITED);
}

static void vforks(void) {
    role("waiter");
    if (vfork() == 0) {
        role("child");
        for (;;) pause();
    }
}

static void read_pipe(void *p) {
    char c;
    if (read(((int *)p)[0], &c, 1)) _exit(9);
}

/* The leader of a process ends before its thread. */
static void dead_leader(void) {
    static int p[2];
    static struct act waiter = {"waiter", 0, read_pipe};
    if (pipe(p)) _exit(9);
    waiter.then_of = p;
    thread(&waiter);
    role("leader");
    syscall(SYS_exit, 0);
}

static void stopped(void) {
    int p[2];
    if (pipe(p)) _exit(9);
    pid_t holder = child("stopped");
    if (holder == 0) for (;;) raise(SIGSTOP);
    close(p[1]);
    role("waiter");
    waitpid(holder, 0, 0);
}

/* Two children at the ends of a connection: one receives, or sends until it is full. */
static void connection(int *ends, int full, int limited) {
    static char room[1 << 20];
    if (child("near") == 0) {
        struct timeval limit = {1000, 0};
        close(ends[1]);
        if (limited) setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (full) while (send(ends[0], room, sizeof room, 0) > 0) {}
        else while (recv(ends[0], room, 1, 0) > 0) {}
        rest();
    }
    if (child("far") == 0) {
        close(ends[0]);
        rest();
    }
    close(ends[0]);
    close(ends[1]);
    rest();
}

static void sockets(const char *how) {
    int ends[2], type = strstr(how, "datagram") ? SOCK_DGRAM : SOCK_STREAM;
    if (socketpair(AF_UNIX, type, 0, ends)) _exit(9);
    connection(ends, !!strstr(how, "full"), !!strstr(how, "limited"));
}

static void tcp(int six, int listens) {
    struct sockaddr_in6 here6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in here4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *here = six ? (void *)&here6 : (void *)&here4;
    socklen_t size = six ? sizeof here6 : sizeof here4;
    int listener = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0), ends[2];
    if (bind(listener, here, size) || listen(listener, 5)) _exit(9);
    getsockname(listener, here, &size);
    if (listens) {
        role("waiter");
        accept(listener, 0, 0);
        _exit(9);
    }
    ends[0] = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    if (connect(ends[0], here, size)) _exit(9);
    ends[1] = accept(listener, 0, 0);
    close(listener);
    connection(ends, 0, 0);
}

/* A child polls a pipe, a socket and itself in some way; two more have the other ends. */
static void polls(const char *how) {
    int p[2], s[2];
    if (pipe(p) || socketpair(AF_UNIX, SOCK_STREAM, 0, s)) _exit(9);
    if (child("waiter") == 0) {
        close(p[1]);
        close(s[1]);
        int epoll = epoll_create1(0);
        struct pollfd files[] = {{p[0], POLLIN, 0}, {-1, POLLIN, 0}, {s[0], POLLIN, 0}};
        struct epoll_event event = {.events = EPOLLIN};
        fd_set set;
        FD_ZERO(&set);
        FD_SET(p[0], &set);
        FD_SET(s[0], &set);
        epoll_ctl(epoll, EPOLL_CTL_ADD, p[0], &event);
        epoll_ctl(epoll, EPOLL_CTL_ADD, s[0], &event);
        if (strstr(how, "caught")) signal(SIGINT, (void (*)(int))rest);
        if (!strcmp(how, "poll")) poll(files, 3, -1);
        if (!strcmp(how, "timed")) poll(files, 3, 1000000);
        if (!strcmp(how, "select")) select(s[0] + 1, &set, 0, 0, 0);
        if (!strcmp(how, "epoll")) epoll_wait(epoll, &event, 1, -1);
        if (!strcmp(how, "nested")) {
            struct pollfd outer = {epoll, POLLIN, 0};
            poll(&outer, 1, -1);
        }
        if (!strcmp(how, "closed")) {
            dup(p[0]);
            close(p[0]);
            epoll_wait(epoll, &event, 1, -1);
        }
        if (strstr(how, "event")) {
            struct pollfd own = {eventfd(0, 0), POLLIN, 0};
            poll(&own, 1, -1);
        }
        if (!strcmp(how, "timer")) {
            struct itimerspec soon = {{0, 0}, {100000, 0}};
            struct pollfd own = {timerfd_create(CLOCK_MONOTONIC, 0), POLLIN, 0};
            timerfd_settime(own.fd, 0, &soon, 0);
            poll(&own, 1, -1);
        }
        if (!strcmp(how, "signals")) {
            sigset_t all;
            sigfillset(&all);
            struct pollfd own = {signalfd(-1, &all, 0), POLLIN, 0};
            poll(&own, 1, -1);
        }
        if (!strcmp(how, "pidfd")) {
            struct pollfd own = {syscall(SYS_pidfd_open, getppid(), 0), POLLIN, 0};
            poll(&own, 1, -1);
        }
        if (!strcmp(how, "nothing")) poll(0, 0, -1);
        _exit(9);
    }
    if (child("writer") == 0) {
        close(p[0]);
        close(s[0]);
        close(s[1]);
        rest();
    }
    if (child("peer") == 0) {
        close(p[0]);
        close(p[1]);
        close(s[0]);
        rest();
    }
    close(p[0]);
    close(p[1]);
    close(s[0]);
    close(s[1]);
    role("parent");
    rest();
}

static void splices(void) {
    int from[2], to[2];
    if (pipe(from) || pipe(to)) _exit(9);
    if (child("waiter") == 0) {
        close(from[1]);
        close(to[0]);
        splice(from[0], 0, to[1], 0, 100, 0);
        _exit(9);
    }
    if (child("writer") == 0) {
        close(from[0]);
        close(to[0]);
        close(to[1]);
        rest();
    }
    if (child("reader") == 0) {
        close(from[0]);
        close(from[1]);
        close(to[1]);
        rest();
    }
    for (int i = 0; i < 2; i++) {
        close(from[i]);
        close(to[i]);
    }
    rest();
}

static void sysv(const char *how) {
    struct sembuf take = {0, -1, 0}, both[] = {{0, 1, 0}, {0, -1, 0}};
    struct { long type; char text[4]; } message = {1, "x"};
    int set = semget(IPC_PRIVATE, 2, 0600), queue = msgget(IPC_PRIVATE, 0600);
    /* Gone with the last who waits, whatever ends it. */
    if (child("other") == 0) {
        setsid();
        semop(set, both, 2);
        msgsnd(queue, &message, 4, 0);
        msgrcv(queue, &message, 4, 0, 0);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        sigset_t term;
        int got;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, 0);
        role("ready");
        sigwait(&term, &got);
        semctl(set, 0, IPC_RMID);
        msgctl(queue, IPC_RMID, 0);
        _exit(0);
    }
    if (child("waiter") == 0) {
        if (!strcmp(how, "semaphore")) semop(set, &take, 1);
        if (!strcmp(how, "receive")) for (;;) msgrcv(queue, &message, 4, 2, 0);
        if (!strcmp(how, "posix")) {
            char name[40], text[100];
            struct mq_attr with = {.mq_maxmsg = 1, .mq_msgsize = 100};
            snprintf(name, sizeof name, "/ganger-%d", getpid());
            mqd_t posix = mq_open(name, O_RDWR | O_CREAT, 0600, &with);
            mq_unlink(name);
            mq_receive(posix, text, sizeof text, 0);
        }
        _exit(9);
    }
    role("parent");
    rest();
}

static void idles(const char *how) {
    sigset_t all;
    int got;
    char c;
    sigfillset(&all);
    role("waiter");
    if (!strcmp(how, "sleep")) sleep(100000);
    if (!strcmp(how, "pause")) rest();
    if (!strcmp(how, "sigwait")) sigwait(&all, &got);
    if (!strcmp(how, "terminal")) {
        int master = posix_openpt(O_RDWR | O_NOCTTY);
        grantpt(master);
        unlockpt(master);
        if (read(open(ptsname(master), O_RDWR | O_NOCTTY), &c, 1)) _exit(9);
    }
}

/* A thread that joins another, inside a pid namespace where both have small numbers. */
static void namespaces(void) {
    if (unshare(CLONE_NEWPID)) {
        if (write(1, "role inside 0 0\n", 16) != 16) _exit(9);
        rest();
    }
    if (fork() == 0) {
        static struct act other = {"", 0, sleep_long};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pthread_t thread_of = thread(&other);
        role("inside");
        pthread_join(thread_of, 0);
    }
    rest();
}

static void no_timed_lock(void *mutex) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 100000;
    pthread_mutex_timedlock(mutex, &until);
}

static void timed(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static struct act holder = {"holder", lock, sleep_long}, waiter = {"waiter", 0, no_timed_lock};
    holder.first_of = waiter.then_of = &mutex;
    thread(&holder);
    thread(&waiter);
    rest();
}

int main(int n, char **words) {
    const char *scene = n > 1 ? words[1] : "", *of = n > 2 ? words[2] : "";
    const char *path = n > 3 ? words[3] : "";
    if (!strcmp(path, "hidden")) prctl(PR_SET_DUMPABLE, 0);
    if (!strcmp(scene, "mutex")) mutexes(of);
    if (!strcmp(scene, "twice")) twice();
    if (!strcmp(scene, "shared_mutex"))
        shared_mutex(!strcmp(of, "ends"), !strcmp(of, "robust"));
    if (!strcmp(scene, "forked_mutex")) forked_mutex();
    if (!strcmp(scene, "join")) joins();
    if (!strcmp(scene, "rwlock")) rwlocks(of[0] == 'w', of[1] == 'w');
    if (!strcmp(scene, "ownerless")) ownerless(of);
    if (!strcmp(scene, "shared_semaphore")) shared_semaphore();
    if (!strcmp(scene, "pipe")) pipes(!strcmp(of, "full"));
    if (!strcmp(scene, "fifo")) fifo(path);
    if (!strcmp(scene, "lock")) locks(path, of);
    if (!strcmp(scene, "children")) children(of);
    if (!strcmp(scene, "vfork")) vforks();
    if (!strcmp(scene, "dead_leader")) dead_leader();
    if (!strcmp(scene, "stopped")) stopped();
    if (!strcmp(scene, "socket")) sockets(of);
    if (!strcmp(scene, "tcp")) tcp(of[0] == '6', !strcmp(path, "listens"));
    if (!strcmp(scene, "poll")) polls(of);
    if (!strcmp(scene, "splice")) splices();
    if (!strcmp(scene, "sysv")) sysv(of);
    if (!strcmp(scene, "idle")) idles(of);
    if (!strcmp(scene, "namespace")) namespaces();
    if (!strcmp(scene, "timed")) timed();
    return 9;
}
