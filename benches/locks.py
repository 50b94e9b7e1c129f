"""The Python half of benches/locks.sh: a pair of acquire and release for which nobody waits, and
100,000 items through a queue from 8 processes, beside multiprocessing's own.

    GANGER_SOCKET=... PYTHONPATH=python python3 benches/locks.py pairs | queue
"""

import multiprocessing
import statistics
import sys
import time

import ganger

PAIRS, BATCHES = 500, 400
ITEMS, HALF = 100_000, 4


def pair(lock, n, clock):
    acquire, release = lock.acquire, lock.release
    began = clock()
    for _ in range(n):
        acquire()
        release()
    return (clock() - began) / n * 1e6


def figures(lock, n, batches):
    """Batches that fit into one turn on the CPU: what others do there is not measured."""
    pair(lock, 100, time.perf_counter)
    return [statistics.median(pair(lock, n, clock) for _ in range(batches))
            for clock in (time.perf_counter, time.process_time)]


def pairs():
    kinds = {
        "ganger.Lock": ganger.Lock(), "ganger.RLock": ganger.RLock(),
        "ganger.Semaphore": ganger.Semaphore(3), "multiprocessing.Lock": multiprocessing.Lock(),
    }
    for name, lock in kinds.items():
        wall, cpu = figures(lock, PAIRS, BATCHES)
        print("%-21s %6.2f us for a pair, %.2f us of CPU (median of %d times %d)" % (
            name, wall, cpu, BATCHES, PAIRS))
    taken = ganger.table(kinds["ganger.Lock"].name)[0]["stats"]["acquisitions"]
    assert taken == 2 * PAIRS * BATCHES + 100, "counted %d" % taken


def socket_pairs():
    wall, _ = figures(ganger.Lock(), 200, 20)
    print("%-21s %6.2f us for a pair over the socket" % ("ganger.Lock", wall))


def put(frames, begin, end):
    for n in range(begin, end):
        frames.put(n)


def get(frames, mouth):
    got = []
    while True:
        n = frames.get()
        if n is None:
            break
        got.append(n)
    mouth.send(got)


def through(frames):
    began = time.monotonic()
    ears, getters = [], []
    for _ in range(HALF):
        ear, mouth = multiprocessing.Pipe(duplex=False)
        getters.append(multiprocessing.Process(target=get, args=(frames, mouth)))
        ears.append(ear)
    putters = [multiprocessing.Process(
        target=put, args=(frames, ITEMS * i // HALF, ITEMS * (i + 1) // HALF)) for i in range(HALF)]
    for process in getters + putters:
        process.start()
    for process in putters:
        process.join()
    for _ in getters:
        frames.put(None)
    got = sorted(n for ear in ears for n in ear.recv())
    for process in getters:
        process.join()
    assert got == list(range(ITEMS)), "items were lost or doubled"
    return time.monotonic() - began


def queue():
    multiprocessing.set_start_method("fork")
    ours, theirs = through(ganger.Queue(1000)), through(multiprocessing.Queue(1000))
    print("%d items, %d put and %d get: ganger.Queue %.2f s, multiprocessing.Queue %.2f s; ratio %.1f;"
          " none lost, none doubled" % (ITEMS, HALF, HALF, ours, theirs, ours / theirs))


if __name__ == "__main__":
    {"pairs": pairs, "socket-pairs": socket_pairs, "queue": queue}[sys.argv[1]]()
