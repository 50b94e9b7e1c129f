/* What the programs in C share: roles, threads, processes that say when they are ready. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEED(x) do { if (!(x)) { fprintf(stderr, "%s:%d: %s: %m\n", __FILE__, __LINE__, #x); _exit(9); } } while (0)

/* Numbers as the observer sees them, from inside a pid namespace too. */
static inline void role(const char *name) {
    char link[64] = "", line[128];
    int pid, tid;
    NEED(readlink("/proc/thread-self", link, sizeof link - 1) > 0);
    NEED(sscanf(link, "%d/task/%d", &pid, &tid) == 2);
    int n = snprintf(line, sizeof line, "role %s %d %d\n", name, pid, tid);
    NEED(write(1, line, n) == n);
}

struct start { const char *name; void (*run)(void *); void *arg; };
static inline void *start_thread(void *x) {
    struct start s = *(struct start *)x;
    free(x);
    if (s.name) role(s.name);
    s.run(s.arg);
    return 0;
}
static inline pthread_t thread(const char *name, void (*run)(void *), void *arg) {
    struct start *s = malloc(sizeof *s);
    *s = (struct start){name, run, arg};
    pthread_t t;
    NEED(pthread_create(&t, 0, start_thread, s) == 0);
    return t;
}
static inline pid_t process(const char *name, void (*run)(void *), void *arg) {
    fflush(0);
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        if (name) role(name);
        run(arg);
        _exit(0);
    }
    return pid;
}
static inline void for_ever(void *x) {
    (void)x;
    for (;;) sleep(600);
}

/* Memory that processes share. */
static inline void *shared(size_t n) {
    void *m = mmap(0, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(m != MAP_FAILED);
    return m;
}

/* Waits until `n` have come, threads or processes. By looking now and then: it leaves no lock
   that could be seen. */
struct meeting { volatile int come; };
static inline void meet(struct meeting *m, int n) {
    __atomic_add_fetch(&m->come, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&m->come, __ATOMIC_SEQ_CST) < n) usleep(2000);
}

/* A new file, open and without a name that lasts. */
static inline char *new_path(void) {
    static __thread char path[PATH_MAX];
    const char *d = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/deadlock.XXXXXX", d ? d : "/tmp");
    int f = mkstemp(path);
    NEED(f >= 0);
    close(f);
    return path;
}

struct scenario { const char *name; void (*run)(void); };
static inline int run_scenario(const struct scenario *all, size_t n, int argc, char **argv) {
    for (size_t i = 0; i < n; i++)
        if (argc > 1 && !strcmp(argv[1], all[i].name)) {
            all[i].run();
            return 0;
        }
    fprintf(stderr, "no scenario %s\n", argc > 1 ? argv[1] : "");
    return 2;
}
#define SCENARIOS(...) \
    int main(int argc, char **argv) { \
        static const struct scenario all[] = {__VA_ARGS__}; \
        return run_scenario(all, sizeof all / sizeof *all, argc, argv); \
    }
