"""multiprocessing, concurrent.futures and os.fork: python3 py_processes.py SCENARIO [METHOD].
Nothing here waits by the clock where order matters: everyone says when it is ready."""
import concurrent.futures
import multiprocessing as mp
import os
import signal
import sys
import threading
import time

METHOD = sys.argv[2] if len(sys.argv) > 2 else "fork"


def role(name):
    os.write(1, f"role {name} {os.getpid()} {threading.get_native_id()}\n".encode())


def sleep_for_ever():
    while True:
        time.sleep(600)


def wait_until(is_so):
    while not is_so():
        time.sleep(0.005)


def is_in_syscall(pid, number):
    """Whether its main thread waits in a system call (0: read, 202: futex)."""
    try:
        with open(f"/proc/{pid}/syscall") as f:
            return f.read().split()[0] == str(number)
    except OSError:
        return False


# The second lock is wanted when both have their first: a byte from each through a pipe would be
# one more wait, so they count in shared memory.
def meet(counter, n):
    with counter.get_lock():
        counter.value += 1
    wait_until(lambda: counter.value >= n)


def abba(name, first, second, counter):
    role(name)
    with first:
        meet(counter, 2)
        with second:
            pass


def two(ctx, make):
    a, b, counter = make(), make(), ctx.Value("i", 0)
    role("parent")
    ps = [ctx.Process(target=abba, args=("p1", a, b, counter)),
          ctx.Process(target=abba, args=("p2", b, a, counter))]
    for p in ps:
        p.start()
    for p in ps:
        p.join()


def lock_abba(ctx):
    two(ctx, ctx.Lock)


def rlock_abba(ctx):
    two(ctx, ctx.RLock)


def lock_abba_handlers(ctx):
    """Whoever gets SIGTERM says so, and waits on: handlers are inherited."""
    signal.signal(signal.SIGTERM, lambda *_: print("not yet"))
    two(ctx, ctx.Lock)


def semaphore_abba(ctx):
    two(ctx, ctx.Semaphore)


def ring_member(i, locks, counter):
    role(f"p{i}")
    with locks[i]:
        meet(counter, len(locks))
        with locks[(i + 1) % len(locks)]:
            pass


def lock_ring(ctx):
    locks, counter = [ctx.Lock() for _ in range(4)], ctx.Value("i", 0)
    role("parent")
    ps = [ctx.Process(target=ring_member, args=(i, locks, counter)) for i in range(4)]
    for p in ps:
        p.start()
    for p in ps:
        p.join()


def lock_twice(ctx):
    role("main")
    lock = ctx.Lock()
    with lock:
        with lock:
            pass


def rlock_and_child(ctx):
    """The parent waits for a child while it holds what the child wants."""
    role("parent")
    lock = ctx.RLock()
    with lock:
        p = ctx.Process(target=wants, args=("child", lock))
        p.start()
        p.join()


def wants(name, lock):
    role(name)
    with lock:
        pass


def lock_and_child(ctx):
    role("parent")
    lock = ctx.Lock()
    with lock:
        p = ctx.Process(target=wants, args=("child", lock))
        p.start()
        p.join()


def holds(name, lock, counter):
    role(name)
    with lock:
        meet(counter, 2)
        sleep_for_ever()


def rlock_killed(ctx):
    lock, counter = ctx.RLock(), ctx.Value("i", 0)
    role("parent")
    p = ctx.Process(target=holds, args=("killed", lock, counter))
    p.start()
    meet(counter, 2)
    os.kill(p.pid, signal.SIGKILL)
    p.join()
    p = ctx.Process(target=wants, args=("waiter", lock))
    p.start()
    p.join()


def ok_rlock_sleeper(ctx):
    lock, counter = ctx.RLock(), ctx.Value("i", 0)
    role("parent")
    ctx.Process(target=holds, args=("holder", lock, counter)).start()
    meet(counter, 2)
    p = ctx.Process(target=wants, args=("waiter", lock))
    p.start()
    p.join()


def stopped_holder(ctx):
    lock, counter = ctx.Lock(), ctx.Value("i", 0)
    role("parent")
    p = ctx.Process(target=holds, args=("stopped", lock, counter))
    p.start()
    meet(counter, 2)
    os.kill(p.pid, signal.SIGSTOP)
    with lock:
        pass


# Queues.
def produces(name, q):
    role(name)
    while True:
        q.put(b"x")


def queue_without_consumer(ctx):
    """A producer waits for a place in Queue(1), and nobody takes anything."""
    q = ctx.Queue(1)
    role("parent")
    p = ctx.Process(target=produces, args=("producer", q))
    p.start()
    p.join()


def consumes_slowly(name, q):
    role(name)
    while True:
        q.get()
        time.sleep(0.8)


def ok_queue_of_one(ctx):
    q = ctx.Queue(1)
    role("parent")
    ps = [ctx.Process(target=produces, args=(f"p{i}", q)) for i in range(2)]
    ps.append(ctx.Process(target=consumes_slowly, args=("consumer", q)))
    for p in ps:
        p.start()
    ps[0].join()


def gets(name, q):
    role(name)
    while True:
        q.get()


def task_never_done(ctx):
    q = ctx.JoinableQueue()
    role("parent")
    ctx.Process(target=gets, args=("worker", q), daemon=True).start()
    q.put(1)
    q.join()


def ok_consumers_idle(ctx):
    q = ctx.Queue()
    role("parent")
    for i in range(3):
        ctx.Process(target=gets, args=(f"c{i}", q), daemon=True).start()
    sys.stdin.readline()


def gets_and_joins(name, q, r):
    role(name)
    r.put(q.get())


def queues_both_get(ctx):
    """Each waits for the other's first word."""
    q, r = ctx.SimpleQueue(), ctx.SimpleQueue()
    role("parent")
    ctx.Process(target=gets_and_joins, args=("child", q, r)).start()
    r.get()


# Pools.
def pool_worker(number):
    with number.get_lock():
        name = f"w{number.value}"
        number.value += 1
    role(name)


def pool_worker_killed(ctx):
    """The worker that holds the task queue's lock is killed: the others wait for ever, also the
    one that comes in its place."""
    role("main")
    number = ctx.Value("i", 0)
    pool = ctx.Pool(2, pool_worker, (number,))
    pids = [p.pid for p in pool._pool]
    wait_until(lambda: sorted(is_in_syscall(p, 0) for p in pids) == [False, True]
               and sorted(is_in_syscall(p, 202) for p in pids) == [False, True])
    reader = next(p for p in pids if is_in_syscall(p, 0))
    other = next(p for p in pids if p != reader)
    os.write(1, f"role other {other} {other}\n".encode())
    os.kill(reader, signal.SIGKILL)
    pool.apply(abs, (1,))


HELD = None


def pool_wants(number, lock):
    global HELD
    HELD = lock
    pool_worker(number)


def takes_held(_):
    with HELD:
        pass


def pool_map_under_lock(ctx):
    """Main holds the lock that every task takes, and waits for all of them."""
    role("main")
    number, lock = ctx.Value("i", 0), ctx.Lock()
    with ctx.Pool(2, pool_wants, (number, lock)) as pool, lock:
        pool.map(takes_held, range(2), 1)


def ok_pool_busy(ctx):
    role("main")
    with ctx.Pool(3) as pool:
        while True:
            pool.map(abs, range(50))


def ok_pool_waiting(ctx):
    role("main")
    with ctx.Pool(2) as pool:
        pool.apply(sleep_for_ever)


def ok_executor_waiting(ctx):
    role("main")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=ctx) as executor:
        executor.submit(sleep_for_ever).result()


def ok_executor_idle(ctx):
    role("main")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=ctx) as executor:
        executor.submit(abs, 1).result()
        sys.stdin.readline()


# Conditions, events, barriers, managers.
def waits_for_event(name, event):
    role(name)
    event.wait()


def event_never_set(ctx):
    event = ctx.Event()
    role("parent")
    p = ctx.Process(target=waits_for_event, args=("child", event))
    p.start()
    p.join()


def ok_event_later(ctx):
    event = ctx.Event()
    role("parent")
    ctx.Process(target=waits_for_event, args=("child", event)).start()
    sleep_for_ever()


def waits_for_condition(name, condition):
    role(name)
    with condition:
        condition.wait()


def condition_never(ctx):
    condition = ctx.Condition()
    role("parent")
    p = ctx.Process(target=waits_for_condition, args=("child", condition))
    p.start()
    p.join()


def notifies(name, condition):
    role(name)
    while True:
        with condition:
            condition.notify_all()
        time.sleep(0.01)


def condition_loop(name, condition):
    role(name)
    while True:
        with condition:
            condition.wait()


def ok_condition_rounds(ctx):
    condition = ctx.Condition()
    role("parent")
    p = ctx.Process(target=notifies, args=("notifier", condition))
    p.start()
    for i in range(2):
        ctx.Process(target=condition_loop, args=(f"c{i}", condition)).start()
    p.join()


def arrives(name, barrier):
    role(name)
    barrier.wait()


def barrier_short(ctx):
    barrier = ctx.Barrier(3)
    role("parent")
    ps = [ctx.Process(target=arrives, args=(f"p{i}", barrier)) for i in (1, 2)]
    for p in ps:
        p.start()
    for p in ps:
        p.join()


def ok_manager_idle(ctx):
    role("parent")
    with ctx.Manager() as manager:
        q = manager.Queue()
        ctx.Process(target=gets, args=("child", q)).start()
        sys.stdin.readline()


def takes_turns(name, lock):
    role(name)
    n = 0
    while True:
        with lock:
            n += 1
            if n % 10 == 0:
                time.sleep(0.002)


def ok_contended(ctx, make="Lock"):
    lock = getattr(ctx, make)()
    role("parent")
    ps = [ctx.Process(target=takes_turns, args=(f"p{i}", lock)) for i in range(3)]
    for p in ps:
        p.start()
    ps[0].join()


def ok_contended_rlock(ctx):
    ok_contended(ctx, "RLock")


def timed(name, first, second, counter):
    role(name)
    with first:
        meet(counter, 2)
        second.acquire(timeout=600)


def ok_timed(ctx):
    a, b, counter = ctx.Lock(), ctx.Lock(), ctx.Value("i", 0)
    role("parent")
    ps = [ctx.Process(target=timed, args=("p1", a, b, counter)),
          ctx.Process(target=timed, args=("p2", b, a, counter))]
    for p in ps:
        p.start()
    ps[0].join()


# Connections.
def receives(name, mine, other):
    role(name)
    other.close()
    mine.recv()


def pipe_both_receive(ctx):
    a, b = ctx.Pipe()
    role("parent")
    ctx.Process(target=receives, args=("child", b, a)).start()
    b.close()
    a.recv()


def receives_and_keeps(name, mine, other):
    role(name)
    mine.recv()


def pipe_ends_forgotten(ctx):
    """Nobody closed the ends that belong to the other: nobody sees an end either."""
    a, b = ctx.Pipe()
    role("parent")
    ctx.Process(target=receives_and_keeps, args=("child", b, a)).start()
    a.recv()


def locked_and_asked(name, lock, mine, other):
    role(name)
    other.close()
    with lock:
        mine.send(1)
        mine.recv()


def lock_and_pipe(ctx):
    """The child holds a lock and waits for an answer; the parent wants the lock first."""
    lock = ctx.Lock()
    a, b = ctx.Pipe()
    role("parent")
    ctx.Process(target=locked_and_asked, args=("child", lock, b, a)).start()
    b.close()
    a.recv()
    with lock:
        a.send(2)


# os.fork in a process with threads.
def fork_with_rlock_held(_):
    lock, ready = threading.RLock(), threading.Event()

    def hold():
        role("holder")
        with lock:
            ready.set()
            sleep_for_ever()

    role("parent")
    threading.Thread(target=hold, daemon=True).start()
    ready.wait()
    pid = os.fork()
    if pid == 0:
        role("child")
        with lock:
            os._exit(0)
    os.waitpid(pid, 0)


def fork_with_lock_held(_):
    lock = threading.Lock()
    role("parent")
    lock.acquire()
    pid = os.fork()
    if pid == 0:
        role("child")
        lock.acquire()
        os._exit(0)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    globals()[sys.argv[1]](mp.get_context(METHOD))
