"""threading, queue, logging, futures and asyncio: python3 py_threads.py SCENARIO."""
import asyncio
import concurrent.futures
import os
import queue
import select
import signal
import socket
import sys
import threading
import time


def role(name):
    os.write(1, f"role {name} {os.getpid()} {threading.get_native_id()}\n".encode())


def sleep_for_ever():
    while True:
        time.sleep(600)


def thread(name, run, *args):
    def start():
        role(name)
        run(*args)

    t = threading.Thread(target=start, daemon=True)
    t.start()
    return t


class Meeting:
    """Until so many have come; by looking now and then, so that it leaves no lock."""

    def __init__(self, n):
        self.n, self.come = n, []

    def __call__(self):
        self.come.append(1)
        while len(self.come) < self.n:
            time.sleep(0.005)


def take_both(first, second, meet):
    with first:
        meet()
        with second:
            pass


def abba(make):
    a, b, meet = make(), make(), Meeting(2)
    t1 = thread("t1", take_both, a, b, meet)
    thread("t2", take_both, b, a, meet)
    return t1


def lock_abba():
    role("main")
    abba(threading.Lock).join()


def rlock_abba():
    role("main")
    abba(threading.RLock).join()


def rlock_abba_beside():
    """The main thread lives, and has nothing to do with it."""
    role("main")
    abba(threading.RLock)
    sleep_for_ever()


def ok_lock_abba_beside():
    """Really stuck, but any thread may release a Lock, and main lives."""
    role("main")
    abba(threading.Lock)
    sleep_for_ever()


def rlock_ring():
    role("main")
    locks, meet = [threading.RLock() for _ in range(4)], Meeting(4)
    ts = [thread(f"t{i}", take_both, locks[i], locks[(i + 1) % 4], meet) for i in range(4)]
    ts[0].join()


def lock_twice():
    role("main")
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def join_under_rlock():
    """Main joins a thread while it holds what the thread wants."""
    role("main")
    lock = threading.RLock()
    with lock:
        thread("t1", take_both, lock, lock, lambda: None).join()


def join_under_lock():
    role("main")
    lock = threading.Lock()
    with lock:
        thread("t1", take_both, lock, lock, lambda: None).join()


def rlock_after_thread():
    """The thread that had the RLock has ended without release()."""
    role("main")
    lock = threading.RLock()
    thread("gone", lock.acquire).join()
    lock.acquire()


def condition_for_ever():
    role("main")
    condition = threading.Condition()
    with condition:
        condition.wait()


def event_for_ever():
    role("main")
    threading.Event().wait()


def queue_for_ever():
    role("main")
    queue.Queue().get()


def queue_join():
    """The only consumer takes the item, never says task_done() and waits for the next."""
    role("main")
    q = queue.Queue()
    q.put(1)

    def consume():
        while True:
            q.get()

    thread("t1", consume)
    q.join()


def executor_in_itself():
    """A task of an executor with one thread waits for another task of it."""
    role("main")
    executor = concurrent.futures.ThreadPoolExecutor(1)

    def outer():
        role("worker")
        return executor.submit(abs, 1).result()

    executor.submit(outer).result()


def threads_join_each_other():
    role("main")
    ts, meet = [], Meeting(4)

    def join(i):
        meet()
        ts[(i + 1) % 3].join()

    ts.extend(thread(f"t{i}", join, i) for i in range(3))
    meet()
    ts[0].join()


# What may go on.
def ok_event_later():
    role("main")
    event = threading.Event()
    thread("t1", event.wait)
    sleep_for_ever()


def ok_timed():
    role("main")
    a, b, meet = threading.Lock(), threading.Lock(), Meeting(2)

    def take(first, second):
        with first:
            meet()
            second.acquire(timeout=600)

    t = thread("t1", take, a, b)
    thread("t2", take, b, a)
    t.join()


def ok_rlock_sleeper():
    role("main")
    lock, meet = threading.RLock(), Meeting(2)

    def hold():
        with lock:
            meet()
            sleep_for_ever()

    thread("t1", hold)
    meet()
    lock.acquire()


def ok_executor_idle():
    role("main")
    executor = concurrent.futures.ThreadPoolExecutor(3)
    list(executor.map(abs, range(30)))
    sys.stdin.readline()


def ok_contended():
    role("main")
    lock = threading.RLock()

    def turns():
        while True:
            with lock:
                time.sleep(0.001)

    ts = [thread(f"t{i}", turns) for i in range(4)]
    ts[0].join()


def ok_queue_of_one():
    role("main")
    q = queue.Queue(1)

    def put():
        while True:
            q.put(1)

    thread("p1", put)
    thread("p2", put)
    while True:
        q.get()
        time.sleep(0.9)


def ok_signal_handler():
    """Main waits for an Event that its handler of SIGTERM sets."""
    event = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: event.set())
    role("main")
    event.wait()


def ok_signal_wakeup():
    """A byte comes through this pair when a signal comes."""
    r, w = socket.socketpair()
    w.setblocking(False)
    signal.set_wakeup_fd(w.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    role("main")
    r.recv(1)


def ok_timer():
    role("main")
    event = threading.Event()
    timer = threading.Timer(600, event.set)
    timer.daemon = True
    timer.start()
    event.wait()


# asyncio.
def ok_asyncio_server():
    async def echo(reader, writer):
        writer.write(await reader.readline())

    async def main():
        role("main")
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        await server.serve_forever()

    asyncio.run(main())


def ok_asyncio_for_ever():
    """Nothing but Ctrl-C ends it; that comes through the loop's own pair of sockets."""
    async def main():
        role("main")
        await asyncio.Event().wait()

    asyncio.run(main())


def ok_asyncio_child():
    async def main():
        role("main")
        child = await asyncio.create_subprocess_exec("sleep", "600")
        await child.wait()

    asyncio.run(main())


def ok_asyncio_threads():
    async def main():
        role("main")
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 600) for _ in range(3)))

    asyncio.run(main())


def ok_asyncio_busy():
    async def tick(q):
        while True:
            await q.put(1)
            await asyncio.sleep(0.01)

    async def main():
        role("main")
        q = asyncio.Queue(1)
        task = asyncio.ensure_future(tick(q))
        while not task.done():
            await q.get()

    asyncio.run(main())


def ok_select_loop():
    """A server of select() with a time-out, as old ones are."""
    role("main")
    with socket.create_server(("127.0.0.1", 0)) as s:
        while True:
            select.select([s], [], [], 0.5)


def ok_socket_server():
    import socketserver

    role("main")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.StreamRequestHandler) as s:
        s.serve_forever(0.2)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
