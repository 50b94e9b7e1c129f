"""Kills random clients at random moments; afterwards everything is free, or held by a live process.

    python3 soak.py [SECONDS] [SEED]

Clients are processes of this package, in shared memory and over the socket, and verbs of the
command line. Starts a run of its own unless GANGER_SOCKET names one. A seed replays the choices,
though not their moments.
"""

import multiprocessing
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time

import harness
import ganger
from test_fast import alive

N_LOCKS, N_CLIENTS = 4, 10


class Things:
    """What the clients share, by name: all mean the same."""

    def __init__(self):
        self.locks = [ganger.Lock(name="soak/%d" % n) for n in range(N_LOCKS - 1)]
        self.locks.append(ganger.RLock(name="soak/%d" % (N_LOCKS - 1)))
        self.condition = ganger.Condition(name="soak/condition")
        self.event = ganger.Event(name="soak/event")
        self.barrier = ganger.Barrier(3, name="soak/barrier")
        self.queue = ganger.Queue(4, name="soak/queue")
        self.jobs = ganger.JoinableQueue(4, name="soak/jobs")


def alone(rng, things, marks, n):
    """With a lock, and perhaps with one behind it."""
    with things.locks[n]:
        if marks[n] and alive(marks[n]):
            raise AssertionError("two have lock %d: %d and %d" % (n, marks[n], os.getpid()))
        marks[n] = os.getpid()
        if rng.random() < 0.02:
            time.sleep(rng.random() / 500)
        if n + 1 < N_LOCKS and rng.random() < 0.2:
            alone(rng, things, marks, n + 1)
        marks[n] = 0


def sleep_or_wake(rng, things):
    with things.condition:
        if rng.random() < 0.5:
            things.condition.wait(0.02)
        else:
            things.condition.notify(2)


def meet(things):
    try:
        things.barrier.wait(0.02)
    except threading.BrokenBarrierError:
        things.barrier.reset()


def pass_on(rng, things):
    frames = things.queue if rng.random() < 0.5 else things.jobs
    try:
        if rng.random() < 0.5:
            frames.put("x" * rng.choice((1, 1000, 200000)), timeout=0.02)
        else:
            frames.get(timeout=0.02)
            if frames is things.jobs:
                frames.task_done()
    except (queue.Empty, queue.Full):
        pass


def client(seed, marks, mouth):
    rng, things = random.Random(seed), Things()
    try:
        while True:
            choice = rng.random()
            if choice < 0.90:
                alone(rng, things, marks, rng.randrange(N_LOCKS))
            elif choice < 0.93:
                sleep_or_wake(rng, things)
            elif choice < 0.95:
                meet(things)
            elif choice < 0.99:
                pass_on(rng, things)
            elif rng.random() < 0.5:
                things.event.set()
                things.event.clear()
            else:
                things.event.wait(0.02)
    except BaseException as error:
        mouth.send("%s: %s" % (type(error).__name__, error))
        raise


def verb(rng):
    name = "soak/%d" % rng.randrange(N_LOCKS)
    words = rng.choice((
        ["lock", name, "--timeout", "2s"], ["lock", name, "soak/own", "--timeout", "2s"],
        ["sem", "soak/permits", "--max", "2", "--timeout", "2s"]))
    return subprocess.Popen([harness.ganger_binary()] + words + ["--", "sleep", "0.01"],
                            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def check(things):
    """Nobody is left: all of it must be free, at once or as soon as the last death is known."""
    end = time.monotonic() + 10
    while True:
        held = [entry for entry in ganger.table() if entry["name"].startswith("soak/")
                and (entry["holders"] or entry["n_waiters"])]
        dead = [holder for entry in held for holder in entry["holders"]
                if not alive(holder["party"]["proc"]["pid"])]
        if not held:
            break
        if time.monotonic() > end:
            raise AssertionError("not free: %s; dead holders: %s" % (held, dead))
        time.sleep(0.01)
    for lock in things.locks:
        assert lock.acquire(timeout=5), ganger.table(lock.name)
        lock.release()
    things.barrier.reset()
    things.event.set()
    assert things.event.wait(5)
    for frames in (things.queue, things.jobs):
        while not frames.empty():
            frames.get(timeout=5)
            if frames is things.jobs:
                frames.task_done()
        frames.put("last", timeout=5)
        assert frames.get(timeout=5) == "last"
    things.jobs.task_done()
    things.jobs.join()
    assert subprocess.call([harness.ganger_binary(), "sem", "soak/permits", "--max", "2",
                            "--timeout", "5s", "--", "true"]) == 0


def main(seconds=10.0, seed=0):
    seed = int(seed) or random.randrange(1, 1 << 30)
    print("seed %d, %s s" % (seed, seconds), flush=True)
    rng, broker = random.Random(seed), harness.Broker()
    things, marks = Things(), multiprocessing.RawArray("q", N_LOCKS)
    plain = multiprocessing.get_context("fork")
    ear, mouth = plain.Pipe(duplex=False)
    clients, verbs, kills = [], [], 0
    end = time.monotonic() + float(seconds)
    try:
        while time.monotonic() < end:
            while len(clients) < N_CLIENTS:
                clients.append(plain.Process(target=client, args=(rng.random(), marks, mouth)))
                clients[-1].start()
            if rng.random() < 0.2:
                verbs.append(verb(rng))
            time.sleep(rng.random() * 0.05)
            if ear.poll():
                raise AssertionError(ear.recv())
            if verbs and rng.random() < 0.5:
                one = verbs.pop(rng.randrange(len(verbs)))
                one.kill()
                one.wait()
            one = clients.pop(rng.randrange(len(clients)))
            if rng.random() < 0.05:
                # Stopped in the middle of whatever it is: the others wait, or go on.
                os.kill(one.pid, signal.SIGSTOP)
                time.sleep(0.02)
            one.kill()
            one.join()
            kills += 1
    finally:
        for one in clients + verbs:
            one.kill()
        for one in clients:
            one.join()
        for one in verbs:
            one.wait()
    if ear.poll():
        raise AssertionError(ear.recv())
    check(things)
    taken = sum(ganger.table(lock.name)[0]["stats"]["acquisitions"] for lock in things.locks)
    print("%d clients killed, locks taken %d times; all is free" % (kills, taken))
    broker.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
