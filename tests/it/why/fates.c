// One process has something, another waits for it: what does the death of the first do?
// Usage: fates KIND FILE. Says "role holder PID TID" and "role waiter PID TID"; the waiter says
// "got CODE" when its wait has ended.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

static struct { pthread_mutex_t mutex; pthread_rwlock_t rwlock; sem_t sem; } *shared;
static const char *kind, *path;
static int ends[2], own = -1, sems = -1;

static int is(const char *word) { return strcmp(kind, word) == 0; }

static void say(const char *format, ...) {
    char line[200];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (write(1, line, n) != n) _exit(9);
}

static void prepare(void) {
    pthread_mutexattr_t mutex;
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    if (is("robust")) pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
    if (is("inheriting")) pthread_mutexattr_setprotocol(&mutex, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&shared->mutex, &mutex);
    pthread_rwlockattr_t rwlock;
    pthread_rwlockattr_init(&rwlock);
    pthread_rwlockattr_setpshared(&rwlock, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&shared->rwlock, &rwlock);
    sem_init(&shared->sem, 1, 1);
    if (is("undo") || is("noundo")) {
        sems = semget(IPC_PRIVATE, 1, 0600);
        semctl(sems, 0, SETVAL, 1);
    }
}

static int range(int command) {
    struct flock lock = {.l_type = F_WRLCK};
    return fcntl(own, command, &lock) ? errno : 0;
}

static int take(void) {
    // An open file of its own: locks belong to it.
    if (own < 0) own = open(path, O_RDWR | O_CREAT, 0600);
    if (is("flock")) return flock(own, LOCK_EX) ? errno : 0;
    if (is("lockf")) return range(F_SETLKW);
    if (is("ofd")) return range(F_OFD_SETLKW);
    if (is("plain") || is("robust") || is("inheriting")) return pthread_mutex_lock(&shared->mutex);
    if (is("rwlock")) return pthread_rwlock_wrlock(&shared->rwlock);
    if (is("sem")) return sem_wait(&shared->sem);
    if (sems >= 0) {
        struct sembuf down = {.sem_op = -1, .sem_flg = is("undo") ? SEM_UNDO : 0};
        return semop(sems, &down, 1) ? errno : 0;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    kind = argv[1], path = argv[2];
    shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    prepare();
    int ready[2];
    if (pipe(ready) || pipe(ends)) return 9;
    pid_t holder = fork();
    if (holder == 0) {
        close(ready[0]), close(ends[0]);
        take();
        say("role holder %d %d\n", getpid(), getpid());
        close(ready[1]);
        for (;;) pause();
    }
    close(ready[1]), close(ends[1]);
    char byte;
    if (read(ready[0], &byte, 1) != 0) return 9;
    close(ready[0]);
    say("role waiter %d %d\n", getpid(), getpid());
    int code;
    if (is("pipe")) code = read(ends[0], &byte, 1);
    else if (is("child")) code = waitpid(holder, 0, 0) == holder ? 0 : errno;
    else code = take();
    say("got %d\n", code);
    // So that the output is read before this is gone.
    while (read(0, &byte, 1) > 0) {}
    if (sems >= 0) semctl(sems, 0, IPC_RMID);
    return 0;
}
