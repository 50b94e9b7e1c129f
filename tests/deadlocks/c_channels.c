/* Processes and what they talk through: pipes, sockets, poll and its family. */
#include "roles.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

static int up[2], down[2], s[2];
static char big[1 << 20];

static void get(int fd) { char c; NEED(read(fd, &c, 1) >= 0); }
static void put_much(int fd) { for (;;) NEED(write(fd, big, sizeof big) > 0); }
static void pipes(void) { NEED(pipe(up) == 0 && pipe(down) == 0); }
static void upper(void) { close(up[1]); close(down[0]); }
static void lower(void) { close(up[0]); close(down[1]); }

/* Two pipes between parent and child: both read, or both write. */
static void child_reads(void *x) { (void)x; lower(); get(down[0]); }
static void child_writes(void *x) { (void)x; lower(); put_much(up[1]); }
static void pipes_reading(void) { pipes(); role("parent"); process("child", child_reads, 0); upper(); get(up[0]); }
static void pipes_full(void) { pipes(); role("parent"); process("child", child_writes, 0); upper(); put_much(down[1]); }
static void child_writev(void *x) { struct iovec v[2] = {{big, 70000}, {big, 70000}}; (void)x; lower(); for (;;) NEED(writev(up[1], v, 2) > 0); }
static void pipes_writev(void) { pipes(); role("parent"); process("child", child_writev, 0); upper(); struct iovec v = {big, sizeof big}; for (;;) NEED(writev(down[1], &v, 1) > 0); }
/* Three in a ring of pipes. */
static int ring[3][2];
static void ring_member(void *x) {
    long i = (long)x;
    for (int k = 0; k < 3; k++) {
        if (k != i) close(ring[k][0]);
        if (k != (i + 1) % 3) close(ring[k][1]);
    }
    get(ring[i][0]);
}
static void pipe_ring(void) {
    for (int k = 0; k < 3; k++) NEED(pipe(ring[k]) == 0);
    role("a");
    process("b", ring_member, (void *)1);
    process("c", ring_member, (void *)2);
    ring_member((void *)0);
}
/* A write end that a brother has inherited and forgotten. */
static void filter(void *x) { (void)x; close(up[1]); close(down[0]); get(up[0]); }
static void brother(void *x) { (void)x; close(up[0]); close(down[1]); get(down[0]); }
static void forgotten_in_brother(void) {
    pipes();
    role("parent");
    pid_t k = process("filter", filter, 0);
    process("brother", brother, 0);
    for (int i = 0; i < 2; i++) { close(up[i]); close(down[i]); }
    waitpid(k, 0, 0);
}
static void sleeper_with_end(void *x) { (void)x; close(up[0]); for_ever(0); }
static void ok_forgotten_in_sleeper(void) {
    pipes();
    role("parent");
    pid_t k = process("filter", filter, 0);
    process("sleeper", sleeper_with_end, 0);
    for (int i = 0; i < 2; i++) { close(up[i]); close(down[i]); }
    waitpid(k, 0, 0);
}
/* Both ends stayed open in one process that reads: it would never see the end. */
static void own_pipe(void) { pipes(); role("main"); get(up[0]); }
static void own_pipe_full(void) { pipes(); role("main"); put_much(up[1]); }
static void stop(void *x) { (void)x; lower(); raise(SIGSTOP); for_ever(0); }
static void stopped_writer(void) { pipes(); role("parent"); process("stopped", stop, 0); upper(); get(up[0]); }

/* Sockets. */
static void pair(int type) { NEED(socketpair(AF_UNIX, type, 0, s) == 0); }
static void recv_one(int fd) { char c; NEED(recv(fd, &c, 1, 0) >= 0); }
static void send_much(int fd) { for (;;) NEED(send(fd, big, 4000, 0) > 0); }
static void s1_reads(void *x) { (void)x; close(s[0]); recv_one(s[1]); }
static void s1_writes(void *x) { (void)x; close(s[0]); send_much(s[1]); }
static void both_reading(int type) { pair(type); role("parent"); process("child", s1_reads, 0); close(s[1]); recv_one(s[0]); }
static void pair_reading(void) { both_reading(SOCK_STREAM); }
static void pair_dgram(void) { both_reading(SOCK_DGRAM); }
static void pair_seqpacket(void) { both_reading(SOCK_SEQPACKET); }
static void pair_full(void) { pair(SOCK_STREAM); role("parent"); process("child", s1_writes, 0); close(s[1]); send_much(s[0]); }
static void s1_read_call(void *x) { (void)x; close(s[0]); get(s[1]); }
static void pair_read_call(void) { pair(SOCK_STREAM); role("parent"); process("child", s1_read_call, 0); close(s[1]); struct iovec v = {big, 10}; NEED(readv(s[0], &v, 1) >= 0); }
static void by_recvmsg(int fd) { struct iovec v = {big, 10}; struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1}; NEED(recvmsg(fd, &m, 0) >= 0); }
static void s1_recvmsg(void *x) { (void)x; close(s[0]); by_recvmsg(s[1]); }
static void pair_recvmsg(void) { pair(SOCK_STREAM); role("parent"); process("child", s1_recvmsg, 0); close(s[1]); by_recvmsg(s[0]); }
static void pair_waitall(void) {
    pair(SOCK_STREAM);
    role("parent");
    process("child", s1_recvmsg, 0);
    close(s[1]);
    recv(s[0], big, 10, MSG_WAITALL);
}
/* Server and client by name; the listening socket is closed after the first guest. */
static void connect_unix(void *x) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    close(s[0]);
    NEED(connect(fd, x, sizeof(struct sockaddr_un)) == 0);
    recv_one(fd);
}
static void unix_server(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char *path = new_path();
    unlink(path);
    NEED(strlen(path) < sizeof at.sun_path);
    strcpy(at.sun_path, path);
    s[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    NEED(bind(s[0], (void *)&at, sizeof at) == 0 && listen(s[0], 5) == 0);
    role("server");
    process("client", connect_unix, &at);
    int fd = accept(s[0], 0, 0);
    close(s[0]);
    unlink(path);
    recv_one(fd);
}
static union { struct sockaddr_in in; struct sockaddr_in6 in6; struct sockaddr_un un; struct sockaddr any; } at;
static socklen_t n_at;
static int listen_tcp(int family) {
    int fd = socket(family, SOCK_STREAM, 0);
    n_at = family == AF_INET ? sizeof at.in : sizeof at.in6;
    at.any.sa_family = family;
    if (family == AF_INET) at.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else at.in6.sin6_addr = in6addr_loopback;
    NEED(bind(fd, &at.any, n_at) == 0 && listen(fd, 5) == 0);
    NEED(getsockname(fd, &at.any, &n_at) == 0);
    return fd;
}
static void tcp_client(void *run) {
    int fd = socket(at.any.sa_family, SOCK_STREAM, 0);
    close(s[0]);
    NEED(connect(fd, &at.any, n_at) == 0);
    ((void (*)(int))run)(fd);
}
static void tcp(int family, void (*run)(int)) {
    s[0] = listen_tcp(family);
    role("server");
    process("client", tcp_client, (void *)run);
    int fd = accept(s[0], 0, 0);
    close(s[0]);
    run(fd);
}
static void tcp_reading(void) { tcp(AF_INET, recv_one); }
static void tcp_full(void) { tcp(AF_INET, send_much); }
static void tcp6_reading(void) { tcp(AF_INET6, recv_one); }
static void poll_one(int fd) { struct pollfd p = {fd, POLLIN, 0}; poll(&p, 1, -1); recv_one(fd); }
static void tcp_polling(void) { tcp(AF_INET, poll_one); }
/* A server of one thread asks itself while it serves a client. */
static void asked(void *x) {
    (void)x;
    int fd = socket(at.any.sa_family, SOCK_STREAM, 0);
    close(s[0]);
    NEED(connect(fd, &at.any, n_at) == 0);
    recv_one(fd);
}
static void serve_and_ask(void) {
    NEED(accept(s[0], 0, 0) >= 0);
    s[1] = socket(at.any.sa_family, SOCK_STREAM, 0);
    NEED(connect(s[1], &at.any, n_at) == 0);
    recv_one(s[1]);
}
static void tcp_asks_itself(void) {
    s[0] = listen_tcp(AF_INET);
    role("server");
    process("client", asked, 0);
    serve_and_ask();
}
static void ok_tcp_asks_brother(void) {
    s[0] = listen_tcp(AF_INET);
    role("server");
    process("brother", for_ever, 0);
    process("client", asked, 0);
    serve_and_ask();
}
static void unix_asks_itself(void) {
    at.un.sun_family = AF_UNIX;
    n_at = sizeof at.un;
    char *path = new_path();
    unlink(path);
    NEED(strlen(path) < sizeof at.un.sun_path);
    strcpy(at.un.sun_path, path);
    s[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    NEED(bind(s[0], &at.any, n_at) == 0 && listen(s[0], 5) == 0);
    role("server");
    process("client", asked, 0);
    serve_and_ask();
}

/* The client holds a file lock and waits for an answer; the server wants the lock first. */
static char *path;
static void flock_path(void) { int f = open(path, O_RDWR); NEED(f >= 0 && flock(f, LOCK_EX) == 0); }
static void asks(void *x) { (void)x; close(s[0]); flock_path(); NEED(write(s[1], "q", 1) == 1); recv_one(s[1]); }
static void flock_and_socket(void) { path = strdup(new_path()); pair(SOCK_STREAM); role("server"); process("client", asks, 0); close(s[1]); recv_one(s[0]); flock_path(); }

/* Waiting for several at once. */
enum how { POLL, PPOLL, SELECT, EPOLL };
static int two_up[2][2], two_down[2][2];
static void wait_for_any(enum how how, int a, int b) {
    struct pollfd p[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    struct epoll_event e = {.events = EPOLLIN};
    fd_set set;
    int ep;
    switch (how) {
    case POLL: poll(p, 2, -1); return;
    case PPOLL: ppoll(p, 2, 0, 0); return;
    case SELECT: FD_ZERO(&set); FD_SET(a, &set); FD_SET(b, &set); select((a > b ? a : b) + 1, &set, 0, 0, 0); return;
    case EPOLL:
        ep = epoll_create1(EPOLL_CLOEXEC);
        epoll_ctl(ep, EPOLL_CTL_ADD, a, &e);
        epoll_ctl(ep, EPOLL_CTL_ADD, b, &e);
        epoll_wait(ep, &e, 1, -1);
    }
}
static void worker(void *x) {
    long i = (long)x;
    for (int k = 0; k < 2; k++) {
        close(two_up[k][0]); close(two_down[k][1]);
        if (k != i) { close(two_up[k][1]); close(two_down[k][0]); }
    }
    get(two_down[i][0]);
}
static void workers(enum how how) {
    for (int k = 0; k < 2; k++) NEED(pipe(two_up[k]) == 0 && pipe(two_down[k]) == 0);
    role("parent");
    for (long k = 0; k < 2; k++) process(k ? "c2" : "c1", worker, (void *)k);
    for (int k = 0; k < 2; k++) { close(two_up[k][1]); close(two_down[k][0]); }
    wait_for_any(how, two_up[0][0], two_up[1][0]);
}
static void by_poll(void) { workers(POLL); }
static void by_ppoll(void) { workers(PPOLL); }
static void by_select(void) { workers(SELECT); }
static void by_epoll(void) { workers(EPOLL); }
/* Something else among them may always wake it. */
static void with(int fd) { pipes(); role("parent"); process("child", child_reads, 0); upper(); wait_for_any(EPOLL, up[0], fd); }
static void ok_epoll_timer(void) {
    int t = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec in = {.it_value = {600, 0}};
    timerfd_settime(t, 0, &in, 0);
    with(t);
}
static void ok_epoll_signal(void) { sigset_t m; sigemptyset(&m); sigaddset(&m, SIGTERM); sigprocmask(SIG_BLOCK, &m, 0); with(signalfd(-1, &m, SFD_CLOEXEC)); }
static void ok_epoll_listen(void) { with(listen_tcp(AF_INET)); }
static void ok_epoll_inotify(void) { int i = inotify_init1(IN_CLOEXEC); inotify_add_watch(i, new_path(), IN_MODIFY); with(i); }
static void ok_epoll_stdin(void) { with(0); }
static void ok_poll_timeout(void) { pipes(); role("parent"); process("child", child_reads, 0); upper(); struct pollfd p = {up[0], POLLIN, 0}; poll(&p, 1, 600 * 1000); }
static void ok_select_timeout(void) { pipes(); role("parent"); process("child", child_reads, 0); upper(); fd_set f; FD_ZERO(&f); FD_SET(up[0], &f); struct timeval t = {600, 0}; select(up[0] + 1, &f, 0, 0, &t); }
static void ok_recv_timeout(void) {
    pair(SOCK_STREAM);
    struct timeval t = {600, 0};
    setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    role("parent");
    process("child", s1_reads, 0);
    close(s[1]);
    recv_one(s[0]);
}
static void on_usr1(int n) { (void)n; NEED(write(down[1], "x", 1) == 1); }
static void ok_handler_writes(void) {
    struct sigaction a = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
    pipes();
    role("parent");
    process("child", child_reads, 0);
    upper();
    sigaction(SIGUSR1, &a, 0);
    get(up[0]);
}
static void ok_itimer(void) {
    struct sigaction a = {.sa_handler = on_usr1};
    pipes();
    role("parent");
    process("child", child_reads, 0);
    upper();
    sigaction(SIGALRM, &a, 0);
    alarm(600);
    get(up[0]);
}

/* FIFOs: anyone may come and open them. */
static char *fifo(void) { char *p = strdup(new_path()); unlink(p); NEED(mkfifo(p, 0600) == 0); return p; }
static void ok_fifo_open(void) { role("main"); close(open(fifo(), O_RDONLY)); }
static char *fifos[2];
static void fifo_child(void *x) { (void)x; int w = open(fifos[0], O_RDWR), r = open(fifos[1], O_RDWR); (void)w; get(r); }
static void ok_fifo_pair(void) { fifos[0] = fifo(); fifos[1] = fifo(); role("parent"); process("child", fifo_child, 0); int r = open(fifos[0], O_RDWR), w = open(fifos[1], O_RDWR); (void)w; get(r); }

/* Servers. */
static void accept_loop(void *x) { for (;;) { int f = accept(*(int *)x, 0, 0); if (f >= 0) close(f); } }
static void ok_prefork(void) {
    static int l;
    l = listen_tcp(AF_INET);
    role("master");
    process("w1", accept_loop, &l);
    process("w2", accept_loop, &l);
    wait(0);
}
static struct area { pthread_mutex_t m; } *area;
static void mutex_loop(void *x) { for (;;) { pthread_mutex_lock(&area->m); int f = accept(*(int *)x, 0, 0); pthread_mutex_unlock(&area->m); close(f); } }
static void ok_accept_mutex(void) {
    static int l;
    pthread_mutexattr_t t;
    l = listen_tcp(AF_INET);
    area = shared(sizeof *area);
    pthread_mutexattr_init(&t);
    pthread_mutexattr_setpshared(&t, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&area->m, &t);
    role("master");
    process("w1", mutex_loop, &l);
    process("w2", mutex_loop, &l);
    process("w3", mutex_loop, &l);
    wait(0);
}
static void flock_loop(void *x) { int f = open(path, O_RDWR); for (;;) { flock(f, LOCK_EX); int c = accept(*(int *)x, 0, 0); flock(f, LOCK_UN); close(c); } }
static void ok_accept_flock(void) { static int l; l = listen_tcp(AF_INET); path = strdup(new_path()); role("master"); process("w1", flock_loop, &l); process("w2", flock_loop, &l); wait(0); }
static void epoll_loop(void *x) { struct epoll_event e = {.events = EPOLLIN}; int p = epoll_create1(0); epoll_ctl(p, EPOLL_CTL_ADD, *(int *)x, &e); for (;;) epoll_wait(p, &e, 1, -1); }
static void ok_epoll_workers(void) { static int l; l = listen_tcp(AF_INET6); role("master"); process("w1", epoll_loop, &l); process("w2", epoll_loop, &l); sigset_t m; sigemptyset(&m); sigsuspend(&m); }
static void ok_udp(void) { int f = socket(AF_INET, SOCK_DGRAM, 0); at.in.sin_family = AF_INET; at.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK); NEED(bind(f, &at.any, sizeof at.in) == 0); role("main"); recv_one(f); }
static void ok_unix_dgram(void) {
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    char *p = new_path();
    unlink(p);
    NEED(strlen(p) < sizeof u.sun_path);
    strcpy(u.sun_path, p);
    int f = socket(AF_UNIX, SOCK_DGRAM, 0);
    NEED(bind(f, (void *)&u, sizeof u) == 0);
    role("main");
    recv_one(f);
}
static void ok_eventfd(void) { static int e; e = eventfd(0, 0); role("parent"); process("child", for_ever, 0); uint64_t n; NEED(read(e, &n, 8) >= 0); }
static void sends_end(void *x) {
    /* An open file on its way in a message belongs to nobody that /proc shows. */
    struct msghdr m = {0};
    struct iovec v = {"x", 1};
    union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } c;
    (void)x;
    m.msg_iov = &v; m.msg_iovlen = 1; m.msg_control = c.buf; m.msg_controllen = sizeof c.buf;
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET; h->cmsg_type = SCM_RIGHTS; h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &up[1], sizeof(int));
    NEED(sendmsg(s[1], &m, 0) == 1);
    close(up[1]);
    close(s[0]);
    close(up[0]);
    for_ever(0);
}
static void ok_end_in_message(void) {
    /* The only write end of the pipe lies in a socket, sent and not yet received. */
    pipes();
    pair(SOCK_STREAM);
    role("parent");
    process("child", sends_end, 0);
    close(up[1]);
    close(s[1]);
    get(up[0]);
}

/* What never stands still for long. */
static void echo(void *x) { char c; (void)x; lower(); while (read(down[0], &c, 1) == 1) NEED(write(up[1], &c, 1) == 1); }
static void ok_ping_pong(void) { char c = 'x'; pipes(); role("parent"); process("child", echo, 0); upper(); for (;;) { NEED(write(down[1], &c, 1) == 1); NEED(read(up[0], &c, 1) == 1); } }
static void slow(void *x) { (void)x; close(up[1]); for (;;) { NEED(read(up[0], big, 4096) > 0); usleep(30000); } }
static void ok_slow_reader(void) { pipes(); role("parent"); process("child", slow, 0); close(up[0]); put_much(up[1]); }
static void hold_end(void *x) { (void)x; close(up[1]); for_ever(0); }
static void ok_full_pipe_of_sleeper(void) { pipes(); role("parent"); process("child", hold_end, 0); close(up[0]); put_much(up[1]); }
static void rendezvous(void *x) { char c; (void)x; close(s[0]); while (recv(s[1], &c, 1, 0) == 1) send(s[1], &c, 1, 0); }
static void ok_socket_ping(void) { char c = 'x'; pair(SOCK_STREAM); role("parent"); process("child", rendezvous, 0); close(s[1]); for (;;) { send(s[0], &c, 1, 0); NEED(recv(s[0], &c, 1, 0) == 1); usleep(100); } }
static void slow_thread(void *x) { (void)x; for (;;) { sleep(1); NEED(write(up[1], "x", 1) == 1); } }
static void ok_own_thread_writes(void) { char c; pipes(); role("main"); thread("ticker", slow_thread, 0); while (read(up[0], &c, 1) == 1) {} }

#define S(name) {#name, name}
SCENARIOS(S(pipes_reading), S(pipes_full), S(pipes_writev), S(pipe_ring), S(forgotten_in_brother),
    S(ok_forgotten_in_sleeper), S(own_pipe), S(own_pipe_full), S(stopped_writer), S(pair_reading),
    S(pair_dgram), S(pair_seqpacket), S(pair_full), S(pair_read_call), S(pair_recvmsg), S(pair_waitall),
    S(unix_server), S(tcp_reading), S(tcp_full), S(tcp6_reading), S(tcp_polling), S(flock_and_socket),
    S(tcp_asks_itself), S(ok_tcp_asks_brother), S(unix_asks_itself),
    S(by_poll), S(by_ppoll), S(by_select), S(by_epoll), S(ok_epoll_timer),
    S(ok_epoll_signal), S(ok_epoll_listen), S(ok_epoll_inotify), S(ok_epoll_stdin), S(ok_poll_timeout),
    S(ok_select_timeout), S(ok_recv_timeout), S(ok_handler_writes), S(ok_itimer), S(ok_fifo_open),
    S(ok_fifo_pair), S(ok_prefork), S(ok_accept_mutex), S(ok_accept_flock), S(ok_epoll_workers),
    S(ok_udp), S(ok_unix_dgram), S(ok_eventfd), S(ok_end_in_message), S(ok_ping_pong),
    S(ok_slow_reader), S(ok_full_pipe_of_sleeper), S(ok_socket_ping), S(ok_own_thread_writes))
