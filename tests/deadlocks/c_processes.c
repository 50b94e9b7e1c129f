/* Processes: shared memory, file locks, children, System V semaphores and queues. */
#include "roles.h"
#include <mqueue.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <time.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct area {
    struct meeting here;
    pthread_mutex_t m[2];
    pthread_cond_t cond;
    sem_t sem[2];
    pthread_rwlock_t rw;
};
static struct area *a;

static void fill(struct area *x, int robust, int protocol) {
    pthread_mutexattr_t at;
    pthread_condattr_t ct;
    pthread_rwlockattr_t rt;
    a = x;
    pthread_mutexattr_init(&at);
    pthread_mutexattr_setpshared(&at, PTHREAD_PROCESS_SHARED);
    if (robust) pthread_mutexattr_setrobust(&at, PTHREAD_MUTEX_ROBUST);
    if (protocol) pthread_mutexattr_setprotocol(&at, protocol);
    pthread_condattr_init(&ct);
    pthread_condattr_setpshared(&ct, PTHREAD_PROCESS_SHARED);
    pthread_rwlockattr_init(&rt);
    pthread_rwlockattr_setpshared(&rt, PTHREAD_PROCESS_SHARED);
    for (int i = 0; i < 2; i++) {
        NEED(pthread_mutex_init(&a->m[i], &at) == 0);
        NEED(sem_init(&a->sem[i], 1, 1) == 0);
    }
    NEED(pthread_cond_init(&a->cond, &ct) == 0);
    NEED(pthread_rwlock_init(&a->rw, &rt) == 0);
}
static void plain(void) { fill(shared(sizeof *a), 0, 0); }

/* Two children, p1 and p2; the parent waits for p1. */
static void two(void (*run)(void *)) {
    role("parent");
    pid_t p1 = process("p1", run, (void *)0);
    process("p2", run, (void *)1);
    waitpid(p1, 0, 0);
}

/* Mutexes in memory of every sort. */
static void abba(void *x) { long i = (long)x; pthread_mutex_lock(&a->m[i]); meet(&a->here, 2); pthread_mutex_lock(&a->m[1 - i]); }
static void anonymous(void) { plain(); two(abba); }
static void robust(void) { fill(shared(sizeof *a), 1, 0); two(abba); }
static void *of_file(int fd, off_t at) {
    NEED(ftruncate(fd, 3 * 4096) == 0);
    void *m = mmap(0, sizeof *a, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);
    NEED(m != MAP_FAILED);
    return m;
}
static void memfd(void) { fill(of_file(memfd_create("area", 0), 4096), 0, 0); two(abba); }
static char *file;
/* Each process maps the file itself, at another place, as unrelated programs do. */
static void abba_of_file(void *x) {
    int fd = open(file, O_RDWR);
    if (x) shared(1 << 20);
    a = of_file(fd, 4096);
    close(fd);
    abba(x);
}
static void plain_file(void) {
    file = strdup(new_path());
    fill(of_file(open(file, O_RDWR), 4096), 0, 0);
    two(abba_of_file);
}
static void dev_shm(void) {
    char name[64];
    snprintf(name, sizeof name, "/deadlock.%d", getpid());
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    NEED(fd >= 0);
    fill(of_file(fd, 0), 0, 0);
    shm_unlink(name);
    two(abba);
}
/* A mutex with priority inheritance, and a pipe: the holder waits for the waiter to write. */
static int pipe_[2];
static void hold_pi_and_read(void *x) {
    char c;
    (void)x;
    close(pipe_[1]);
    pthread_mutex_lock(&a->m[0]);
    meet(&a->here, 2);
    NEED(read(pipe_[0], &c, 1) >= 0);
}
static void pi_pipe(void) {
    fill(shared(sizeof *a), 0, PTHREAD_PRIO_INHERIT);
    NEED(pipe(pipe_) == 0);
    role("parent");
    process("child", hold_pi_and_read, 0);
    close(pipe_[0]);
    meet(&a->here, 2);
    pthread_mutex_lock(&a->m[0]);
}
static void lock_and_stay(void *x) { (void)x; pthread_mutex_lock(&a->m[0]); meet(&a->here, 2); for_ever(0); }
static void lock_and_exec(void *x) {
    (void)x;
    pthread_mutex_lock(&a->m[0]);
    meet(&a->here, 2);
    execlp("sleep", "sleep", "600", (char *)0);
    _exit(9);
}
static void over_exec(void) {
    plain();
    process("execed", lock_and_exec, 0);
    role("waiter");
    meet(&a->here, 2);
    pthread_mutex_lock(&a->m[0]);
}
static void want(void *x) { (void)x; pthread_mutex_lock(&a->m[0]); }
static void killed_holder(void) {
    plain();
    role("parent");
    pid_t k = process("killed", lock_and_stay, 0);
    meet(&a->here, 2);
    kill(k, SIGKILL);
    waitpid(k, 0, 0);
    pid_t p1 = process("p1", want, 0);
    process("p2", want, 0);
    waitpid(p1, 0, 0);
}
static void ok_shared_sleeper(void) {
    plain();
    role("parent");
    process("holder", lock_and_stay, 0);
    meet(&a->here, 2);
    pid_t p1 = process("p1", want, 0);
    process("p2", want, 0);
    waitpid(p1, 0, 0);
}
static void stopped_mutex(void) {
    plain();
    role("parent");
    pid_t k = process("stopped", lock_and_stay, 0);
    meet(&a->here, 2);
    kill(k, SIGSTOP);
    pthread_mutex_lock(&a->m[0]);
}
static void cond_wait(void *x) { (void)x; pthread_mutex_lock(&a->m[0]); pthread_cond_wait(&a->cond, &a->m[0]); }
static void shared_cond(void) { plain(); role("parent"); pid_t p1 = process("p1", cond_wait, 0); process("p2", cond_wait, 0); waitpid(p1, 0, 0); }
static void sem_abba_(void *x) { long i = (long)x; sem_wait(&a->sem[i]); meet(&a->here, 2); sem_wait(&a->sem[1 - i]); }
static void shared_sem(void) { plain(); two(sem_abba_); }
static void rw_then_mutex(void *x) {
    if (x) { pthread_mutex_lock(&a->m[0]); meet(&a->here, 2); pthread_rwlock_rdlock(&a->rw); }
    pthread_rwlock_wrlock(&a->rw);
    meet(&a->here, 2);
    pthread_mutex_lock(&a->m[0]);
}
static void shared_rw(void) { plain(); two(rw_then_mutex); }
static void fight(void *x) { for (unsigned n = (long)x; ; n++) { pthread_mutex_lock(&a->m[0]); if (n % 9 == 0) usleep(2000); pthread_mutex_unlock(&a->m[0]); if (n % 4 == 0) usleep(100); } }
static void ok_shared_contended(void) { plain(); role("parent"); pid_t p = process("p1", fight, (void *)1); process("p2", fight, (void *)2); process("p3", fight, (void *)5); waitpid(p, 0, 0); }
static void ping(void *x) { long i = (long)x; for (;;) { sem_wait(&a->sem[i]); sem_post(&a->sem[1 - i]); } }
static void ok_shared_sem_ping(void) { plain(); NEED(sem_trywait(&a->sem[1]) == 0); two(ping); }
static void cond_rounds(void *x) {
    for (;;) {
        pthread_mutex_lock(&a->m[0]);
        if (x) { usleep(3000); pthread_cond_broadcast(&a->cond); } else pthread_cond_wait(&a->cond, &a->m[0]);
        pthread_mutex_unlock(&a->m[0]);
        if (x) usleep(20000);
    }
}
static void ok_shared_cond(void) { plain(); two(cond_rounds); }

/* File locks. */
static char *files[2];
static void new_files(void) { plain(); for (int i = 0; i < 2; i++) files[i] = strdup(new_path()); }
static int flocked(int i, int how) { int f = open(files[i], O_RDWR); NEED(f >= 0); NEED(flock(f, how) == 0); return f; }
static int fcntled(int i, int cmd, int type) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = 100, .l_len = 50};
    int f = open(files[i], O_RDWR);
    NEED(f >= 0);
    NEED(fcntl(f, cmd, &l) == 0);
    return f;
}
static void flock_posix(void *x) {
    if (x) { fcntled(1, F_SETLKW, F_WRLCK); meet(&a->here, 2); flocked(0, LOCK_EX); }
    flocked(0, LOCK_EX);
    meet(&a->here, 2);
    fcntled(1, F_SETLKW, F_WRLCK);
}
static void flock_and_posix(void) { new_files(); two(flock_posix); }
static void ofd(void *x) { long i = (long)x; fcntled(i, F_OFD_SETLKW, F_WRLCK); meet(&a->here, 2); fcntled(1 - i, F_OFD_SETLKW, F_WRLCK); }
static void ofd_abba(void) { new_files(); two(ofd); }
static void ofd_up(void *x) {
    struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    (void)x;
    int f = open(files[0], O_RDWR);
    NEED(fcntl(f, F_OFD_SETLKW, &l) == 0);
    meet(&a->here, 2);
    l.l_type = F_WRLCK;
    fcntl(f, F_OFD_SETLKW, &l);
}
static void ofd_upgrade(void) { new_files(); two(ofd_up); }
static void want_flock(void *x) { (void)x; flocked(0, LOCK_EX); }
static void want_posix(void *x) { (void)x; fcntled(0, F_SETLKW, F_WRLCK); }
static void wait_under_flock(void) { new_files(); role("parent"); flocked(0, LOCK_EX); waitpid(process("child", want_flock, 0), 0, 0); }
static void wait_under_posix(void) { new_files(); role("parent"); fcntled(0, F_SETLKW, F_WRLCK); waitpid(process("child", want_posix, 0), 0, 0); }
static void on_term(int s) { (void)s; }
static void wait_under_flock_handler(void) { struct sigaction s = {.sa_handler = on_term, .sa_flags = SA_RESTART}; sigaction(SIGTERM, &s, 0); sigaction(SIGUSR1, &s, 0); wait_under_flock(); }
/* The taker has gone; a child that inherited the open file has the lock now. */
static void heir(void *x) { char c; (void)x; close(pipe_[1]); meet(&a->here, 2); NEED(read(pipe_[0], &c, 1) >= 0); }
static void taker(void *x) { (void)x; flocked(0, LOCK_EX); process("heir", heir, 0); }
static void inherited_flock(void) {
    new_files();
    NEED(pipe(pipe_) == 0);
    /* Whoever loses its parent stays in the tree. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    role("parent");
    pid_t k = process("taker", taker, 0);
    waitpid(k, 0, 0);
    close(pipe_[0]);
    meet(&a->here, 2);
    flocked(0, LOCK_EX);
}
/* The writer needs both readers to go; one waits for the writer, the other sleeps. */
static void reader_stuck(void *x) { (void)x; flocked(0, LOCK_SH); meet(&a->here, 3); flocked(1, LOCK_EX); }
static void reader_asleep(void *x) { (void)x; flocked(0, LOCK_SH); meet(&a->here, 3); for_ever(0); }
static void writer(void *x) { (void)x; flocked(1, LOCK_EX); meet(&a->here, 3); flocked(0, LOCK_EX); }
static void shared_flock(void) {
    new_files();
    role("parent");
    process("stuck", reader_stuck, 0);
    process("asleep", reader_asleep, 0);
    waitpid(process("writer", writer, 0), 0, 0);
}
static void writer_alone(void *x) { (void)x; meet(&a->here, 3); flocked(0, LOCK_EX); }
static void ok_shared_flock(void) {
    new_files();
    role("parent");
    process("asleep1", reader_asleep, 0);
    process("asleep2", reader_asleep, 0);
    waitpid(process("writer", writer_alone, 0), 0, 0);
}
static void ranges(void *x) {
    long i = (long)x;
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10 * i, .l_len = 10};
    int f = open(files[0], O_RDWR);
    NEED(fcntl(f, F_OFD_SETLKW, &l) == 0);
    meet(&a->here, 2);
    l.l_start = 10 * (1 - i);
    fcntl(f, F_OFD_SETLKW, &l);
}
static void ofd_ranges(void) { new_files(); two(ranges); }
static void flock_fight(void *x) { for (unsigned n = (long)x; ; n++) { int f = flocked(0, n % 3 ? LOCK_EX : LOCK_SH); if (n % 5 == 0) usleep(1500); close(f); } }
static void ok_flock_contended(void) { new_files(); role("parent"); pid_t p = process("p1", flock_fight, (void *)1); process("p2", flock_fight, (void *)2); process("p3", flock_fight, (void *)5); waitpid(p, 0, 0); }
static void posix_fight(void *x) { for (unsigned n = (long)x; ; n++) { int f = fcntled(0, F_SETLKW, F_WRLCK); if (n % 5 == 0) usleep(1500); close(f); } }
static void ok_posix_contended(void) { new_files(); role("parent"); pid_t p = process("p1", posix_fight, (void *)1); process("p2", posix_fight, (void *)2); process("p3", posix_fight, (void *)5); waitpid(p, 0, 0); }
/* Whoever holds it belongs to nobody here: its parent has gone. */
static void stranger(void *x) { (void)x; flocked(0, LOCK_EX); meet(&a->here, 2); for_ever(0); }
static void orphan(void *x) { (void)x; process("stranger", stranger, 0); }
static void ok_stranger(void) { new_files(); role("parent"); waitpid(process(0, orphan, 0), 0, 0); meet(&a->here, 2); waitpid(process("child", want_flock, 0), 0, 0); }
static void ok_flock_then_sleep(void) { new_files(); role("parent"); flocked(0, LOCK_EX); process("child", want_flock, 0); for_ever(0); }

/* Waiting for children. */
static pid_t under_flock(void) { new_files(); role("parent"); flocked(0, LOCK_EX); return process("child", want_flock, 0); }
static void poll_pidfd(void) { pid_t k = under_flock(); struct pollfd p = {syscall(SYS_pidfd_open, k, 0), POLLIN, 0}; NEED(p.fd >= 0); poll(&p, 1, -1); }
static void waitid_pidfd(void) { siginfo_t i; pid_t k = under_flock(); int f = syscall(SYS_pidfd_open, k, 0); NEED(f >= 0); waitid(P_PIDFD, f, &i, WEXITED); }
static void waitid_any(void) { siginfo_t i; under_flock(); waitid(P_ALL, 0, &i, WEXITED); }
static void wait_group(void) { pid_t k = under_flock(); setpgid(k, k); waitpid(-k, 0, 0); }
static void wait_all(void) { new_files(); role("parent"); flocked(0, LOCK_EX); process("c1", want_flock, 0); process("c2", want_flock, 0); wait(0); }
/* By fcntl(): the sleeper would inherit a lock of the open file. */
static void wait_one(void) { new_files(); role("parent"); fcntled(0, F_SETLKW, F_WRLCK); pid_t k = process("c1", want_posix, 0); process("c2", for_ever, 0); waitpid(k, 0, 0); }
static void ok_wait_any(void) { new_files(); role("parent"); flocked(0, LOCK_EX); process("c1", want_flock, 0); process("c2", for_ever, 0); wait(0); }
static void grandparent(void *x) { (void)x; flocked(1, LOCK_EX); waitpid(process("c", want_flock, 0), 0, 0); }
static void wait_deep(void) { new_files(); role("a"); flocked(0, LOCK_EX); waitpid(process("b", grandparent, 0), 0, 0); }
static void vforked(void) {
    char c;
    role("parent");
    NEED(pipe(pipe_) == 0);
    if (vfork() == 0) { close(pipe_[1]); role("child"); NEED(read(pipe_[0], &c, 1) >= 0); _exit(0); }
}
static void thread_waits(void *x) { waitpid(*(pid_t *)x, 0, 0); }
static void thread_for_child(void) {
    pid_t k = under_flock();
    pthread_join(thread("waiter", thread_waits, &k), 0);
}
static void ok_wait_sleeper(void) { role("parent"); waitpid(process("child", for_ever, 0), 0, 0); }
static void nothing(void *x) { (void)x; }
static void ok_fork_storm(void) { role("parent"); for (;;) { pid_t k[6]; for (int i = 0; i < 6; i++) k[i] = process(0, nothing, 0); for (int i = 0; i < 6; i++) waitpid(k[i], 0, 0); } }
static void ok_zombies(void) { role("parent"); for (int i = 0; i < 5; i++) process(0, nothing, 0); for_ever(0); }

/* Processes that belong to nobody here, and may end the wait all the same. */
static void strange_owner(void *x) { (void)x; pthread_mutex_lock(&a->m[0]); meet(&a->here, 2); for_ever(0); }
static void strange_poster(void *x) { (void)x; meet(&a->here, 2); for_ever(0); }
static void leave_owner(void *x) { (void)x; process("stranger", strange_owner, 0); }
static void leave_poster(void *x) { (void)x; process("stranger", strange_poster, 0); }
static void ok_mutex_of_stranger(void) { plain(); role("parent"); waitpid(process(0, leave_owner, 0), 0, 0); meet(&a->here, 2); pthread_mutex_lock(&a->m[0]); }
static void ok_sem_of_stranger(void) { plain(); role("parent"); waitpid(process(0, leave_poster, 0), 0, 0); meet(&a->here, 2); sem_wait(&a->sem[0]); sem_wait(&a->sem[0]); }
/* Another process that has the same memory, as after vfork(): private is not only its own. */
static sem_t private_;
static int twin(void *x) { (void)x; role("twin"); for_ever(0); return 0; }
static void ok_twin(void) {
    char *stack = malloc(1 << 16);
    role("parent");
    sem_init(&private_, 0, 0);
    NEED(clone(twin, stack + (1 << 16), CLONE_VM | SIGCHLD, 0) > 0);
    sem_wait(&private_);
}
/* A POSIX message queue has a name: anybody may send. */
static void ok_mq(void) {
    char name[64];
    struct mq_attr at = {.mq_maxmsg = 1, .mq_msgsize = 8};
    snprintf(name, sizeof name, "/deadlock.%d", getpid());
    mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &at);
    NEED(q >= 0);
    mq_unlink(name);
    role("main");
    mq_receive(q, (char[8]){0}, 8, 0);
}
static void on_timer(union sigval v) { sem_post(v.sival_ptr); }
static void ok_timer_thread(void) {
    static sem_t s;
    timer_t t;
    struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_timer, .sigev_value.sival_ptr = &s};
    struct itimerspec in = {.it_value = {600, 0}};
    sem_init(&s, 0, 0);
    NEED(timer_create(CLOCK_MONOTONIC, &e, &t) == 0 && timer_settime(t, 0, &in, 0) == 0);
    role("main");
    sem_wait(&s);
}
static void ok_stopped(void) { role("main"); raise(SIGSTOP); for_ever(0); }

/* Nobody but root may look into a process that says so. */
static void hidden(void *x) { (void)x; NEED(prctl(PR_SET_DUMPABLE, 0) == 0); role("child"); want_flock(0); }
static void hidden_child(void) { new_files(); role("parent"); flocked(0, LOCK_EX); waitpid(process(0, hidden, 0), 0, 0); }
/* One that cannot be seen might have the other end of the pipe. */
static void hidden_holder(void *x) { (void)x; NEED(prctl(PR_SET_DUMPABLE, 0) == 0); close(pipe_[0]); role("hidden"); for_ever(0); }
static void read_own(void *x) { char c; (void)x; close(pipe_[1]); NEED(read(pipe_[0], &c, 1) >= 0); }
static void hidden_writer(void) {
    NEED(pipe(pipe_) == 0);
    role("parent");
    process(0, hidden_holder, 0);
    waitpid(process("reader", read_own, 0), 0, 0);
}

/* System V. */
static int sysv(int n, int value) {
    int id = semget(IPC_PRIVATE, n, 0600);
    NEED(id >= 0);
    for (int i = 0; i < n; i++) NEED(semctl(id, i, SETVAL, value) == 0);
    printf("leaves -s %d\n", id);
    fflush(stdout);
    return id;
}
static int id, flags;
static void op(int n, int by) { struct sembuf b = {n, by, flags}; while (semop(id, &b, 1) < 0) NEED(errno == EINTR); }
static void sysv_take(void *x) { long i = (long)x; op(i, -1); meet(&a->here, 2); op(1 - i, -1); }
static void sysv_abba(void) { plain(); id = sysv(2, 1); two(sysv_take); }
static void sysv_undo(void) { flags = SEM_UNDO; sysv_abba(); }
static void sysv_hold(void *x) { (void)x; op(0, -1); meet(&a->here, 2); for_ever(0); }
static void sysv_want(void *x) { (void)x; op(0, -1); }
static void ok_sysv_sleeper(void) { plain(); id = sysv(1, 1); role("parent"); process("holder", sysv_hold, 0); meet(&a->here, 2); waitpid(process("waiter", sysv_want, 0), 0, 0); }
static void sysv_killed(void) {
    plain();
    id = sysv(1, 1);
    role("parent");
    pid_t k = process("killed", sysv_hold, 0);
    meet(&a->here, 2);
    kill(k, SIGKILL);
    waitpid(k, 0, 0);
    waitpid(process("waiter", sysv_want, 0), 0, 0);
}
static void sysv_ping(void *x) { long i = (long)x; for (;;) { op(i, -1); usleep(300); op(1 - i, 1); } }
static void ok_sysv_ping(void) { plain(); id = sysv(2, 0); op(0, 1); two(sysv_ping); }
struct message { long type; char text[8]; };
static void receive(void *x) { struct message m; msgrcv(id, &m, sizeof m.text, (long)x + 1, 0); }
static void message_queue(void) {
    id = msgget(IPC_PRIVATE, 0600);
    NEED(id >= 0);
    printf("leaves -q %d\n", id);
    fflush(stdout);
    two(receive);
}
static void talk(void *x) {
    struct message m = {.type = (long)x + 1};
    if (!x) msgsnd(id, &m, sizeof m.text, 0);
    for (;;) {
        if (msgrcv(id, &m, sizeof m.text, (long)x + 1, 0) < 0) return;
        usleep(1000);
        m.type = 2 - (long)x;
        msgsnd(id, &m, sizeof m.text, 0);
    }
}
static void ok_messages(void) { id = msgget(IPC_PRIVATE, 0600); printf("leaves -q %d\n", id); fflush(stdout); two(talk); }

#define S(name) {#name, name}
SCENARIOS(S(anonymous), S(robust), S(memfd), S(plain_file), S(dev_shm), S(pi_pipe), S(killed_holder), S(over_exec),
    S(ok_shared_sleeper), S(stopped_mutex), S(shared_cond), S(shared_sem), S(shared_rw),
    S(ok_shared_contended), S(ok_shared_sem_ping), S(ok_shared_cond), S(flock_and_posix), S(ofd_abba),
    S(ofd_upgrade), S(ofd_ranges), S(wait_under_flock), S(wait_under_posix), S(wait_under_flock_handler),
    S(inherited_flock), S(shared_flock), S(ok_shared_flock), S(ok_flock_contended),
    S(ok_posix_contended), S(ok_stranger), S(ok_flock_then_sleep), S(poll_pidfd), S(waitid_pidfd),
    S(waitid_any), S(wait_group), S(wait_all), S(wait_one), S(ok_wait_any), S(wait_deep), S(vforked),
    S(thread_for_child), S(ok_wait_sleeper), S(ok_fork_storm), S(ok_zombies), S(hidden_child),
    S(hidden_writer), S(ok_mutex_of_stranger), S(ok_sem_of_stranger), S(ok_twin), S(ok_mq),
    S(ok_timer_thread), S(ok_stopped), S(sysv_abba), S(sysv_undo), S(ok_sysv_sleeper), S(sysv_killed), S(ok_sysv_ping),
    S(message_queue), S(ok_messages))
