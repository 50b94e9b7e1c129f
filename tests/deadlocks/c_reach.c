/* Healthy: somebody who does not have yet what would end the wait gets it later. */
#include "roles.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <time.h>

static int pair[2], ends[2], open_file, epoll;
static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;

/* A descriptor on its way: sent, and not received yet. */
static void sent(int fd) {
    char room[CMSG_SPACE(sizeof fd)] = "", byte = 0;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(part), &fd, sizeof fd);
    NEED(sendmsg(pair[0], &message, 0) == 1);
}

static void receiver(void *x) {
    (void)x;
    close(pair[0]);
    if (ends[0]) close(ends[0]), close(ends[1]);
    if (open_file) close(open_file);
    for_ever(0);
}

static void pipe_in_flight(void) {
    char c;
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(ends) == 0);
    process("receiver", receiver, 0);
    close(pair[1]);
    sent(ends[1]);
    role("reader");
    NEED(read(ends[0], &c, 1) == 1);
}

static void event_in_flight(void) {
    eventfd_t n;
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && (open_file = eventfd(0, 0)) > 0);
    process("receiver", receiver, 0);
    close(pair[1]);
    sent(open_file);
    role("reader");
    NEED(eventfd_read(open_file, &n) == 0);
}

/* Who forks while it has a mutex has it in the child too, and may unlock it there. */
static void taker(void *x) {
    (void)x;
    role("waiter");
    pthread_mutex_lock(&plain);
}
static void forked(void *x) {
    (void)x;
    thread(0, taker, 0);
    for_ever(0);
}
static void forked_with_mutex(void) {
    pthread_mutex_lock(&plain);
    process("holder", forked, 0);
    pthread_mutex_unlock(&plain);
    role("parent");
    wait(0);
}

static void nothing(int signal) { (void)signal; }

/* A timer of its own limits the wait, by a signal whose handler does not restart the call. */
static void timer_limits(void) {
    char *path = new_path();
    struct sigaction act = {.sa_handler = nothing};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    struct itimerspec in = {.it_value = {600, 0}};
    timer_t timer;
    int one = open(path, O_RDWR), other = open(path, O_RDWR);
    NEED(sigaction(SIGRTMIN, &act, 0) == 0 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    NEED(timer_settime(timer, 0, &in, 0) == 0 && flock(one, LOCK_EX) == 0);
    role("waiter");
    flock(other, LOCK_EX);
}

/* Neither reads what the other has sent, and one of them has a limit for that. */
static void writer(void *to) {
    static char bytes[1 << 16];
    while (write((int)(long)to, bytes, sizeof bytes) > 0) {}
}
static void tcp_limits(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    unsigned ms = 600000;
    int door = socket(AF_INET, SOCK_STREAM, 0), one = socket(AF_INET, SOCK_STREAM, 0), other;
    NEED(bind(door, (void *)&at, len) == 0 && listen(door, 1) == 0 && getsockname(door, (void *)&at, &len) == 0);
    NEED(connect(one, (void *)&at, len) == 0 && (other = accept(door, 0, 0)) > 0);
    NEED(setsockopt(one, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms) == 0);
    close(door);
    thread("t1", writer, (void *)(long)other);
    role("main");
    writer((void *)(long)one);
}

/* A child has the same epoll, and may add a file to it. */
static void epoll_of_two(void) {
    struct epoll_event event = {EPOLLIN, {0}};
    NEED((epoll = epoll_create1(0)) > 0 && pipe(ends) == 0);
    NEED(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event) == 0);
    if (process("child", for_ever, 0)) {
        role("waiter");
        epoll_wait(epoll, &event, 1, -1);
    }
}

/* Servers that wait for whoever knows the name. */
static void named_semaphore(void) {
    char name[64];
    snprintf(name, sizeof name, "/ganger-deadlocks-%d", getpid());
    sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
    NEED(semaphore != SEM_FAILED);
    /* Its name goes with the program, whose end is the end of the shell that sleeps here. */
    char command[128];
    snprintf(command, sizeof command, "while kill -0 %d 2>/dev/null; do sleep 0.2; done; rm -f /dev/shm/sem.%s", getpid(), name + 1);
    if (fork() == 0) {
        setsid();
        execl("/bin/sh", "sh", "-c", command, (char *)0);
        _exit(9);
    }
    role("server");
    sem_wait(semaphore);
}

static void keyed_queue(void) {
    struct { long type; char text[8]; } message;
    int queue = msgget(0x47000000 | (getpid() & 0xffffff), IPC_CREAT | IPC_EXCL | 0600);
    NEED(queue >= 0);
    pid_t guard = fork();
    if (guard == 0) {
        pid_t parent = getppid();
        setsid();
        while (kill(parent, 0) == 0) usleep(200000);
        msgctl(queue, IPC_RMID, 0);
        _exit(0);
    }
    role("server");
    msgrcv(queue, &message, sizeof message.text, 0, 0);
}

SCENARIOS({"pipe_in_flight", pipe_in_flight}, {"event_in_flight", event_in_flight}, {"forked_with_mutex", forked_with_mutex},
          {"timer_limits", timer_limits}, {"epoll_of_two", epoll_of_two}, {"named_semaphore", named_semaphore},
          {"keyed_queue", keyed_queue}, {"tcp_limits", tcp_limits})
