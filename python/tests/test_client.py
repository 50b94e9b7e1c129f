"""Names, pickling, forks, interrupts, and the end of the supervisor."""

import multiprocessing
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import unittest

import harness
import ganger
from ganger import _client

PATH = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path[:2]))


def python(text, **environment):
    return subprocess.run([sys.executable, "-c", text], env=dict(PATH, **environment), timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)


def acquire(say, lock, timeout=None):
    got = lock.acquire(True, timeout)
    if got:
        lock.release()
    say(got)


def interrupted(say, wait, *arguments):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    say("waits")
    try:
        wait(*arguments)
    except KeyboardInterrupt:
        say("interrupted")
    else:
        say("not interrupted")
    # Alive: what it had would not come back by its death.
    time.sleep(1000)


def sleep_in(condition):
    with condition:
        condition.wait()


def storm(say, lock, seconds):
    """Takes and releases while interrupts rain on ganger's own code, and says how many hit. What
    the lock says of itself after one must be true: the other would starve, or fail to release."""
    def on_interrupt(number, frame):
        if armed[0] and os.path.basename(os.path.dirname(frame.f_code.co_filename)) == "ganger":
            armed[0] = False
            raise KeyboardInterrupt
    armed, hits = [False], 0
    signal.signal(signal.SIGINT, on_interrupt)
    say("ready")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        armed[0] = True
        try:
            lock.acquire()
            lock.release()
        except KeyboardInterrupt:
            hits += 1
            if lock._semlock._is_mine():
                lock.release()
    armed[0] = False
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say(hits)
    # Alive: nothing comes back by its death.
    time.sleep(1000)


def grandchild(say, lock):
    lock.acquire()
    pid = os.fork()
    if pid == 0:
        time.sleep(20)
        os._exit(0)
    say(pid)
    time.sleep(1000)


def add(say, lock, total, n):
    for _ in range(n):
        with lock:
            total.value += 1
    say("done")


class Names(harness.Case):
    def test_defaults_are_places_and_unique(self):
        names = [ganger.Lock().name for _ in range(3)]
        self.assertEqual(len(set(names)), 3)
        for name in names:
            self.assertTrue(name.startswith("test_client.py:"), name)
            self.assertRegex(name, r"\A[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,199}\Z")

    def test_same_name_is_same_lock(self):
        one, other = ganger.Lock(name="names"), ganger.Lock(name="names")
        with one:
            self.assertFalse(other.acquire(False))
        self.assertTrue(other.acquire(False))
        other.release()

    def test_reprs(self):
        lock, rlock, condition = ganger.Lock(), ganger.RLock(), ganger.Condition()
        self.assertEqual(repr(lock), "<Lock(owner=None)>")
        self.assertEqual(repr(rlock), "<RLock(None, 0)>")
        self.assertEqual(repr(condition), "<Condition(<RLock(None, 0)>, 0)>")
        with lock, rlock, rlock:
            self.assertEqual(repr(lock), "<Lock(owner=MainProcess)>")
            self.assertEqual(repr(rlock), "<RLock(MainProcess, 2)>")
            other = ganger.Lock(name=lock.name)
            self.assertEqual(repr(other), "<Lock(owner=SomeOtherProcess)>")

    def test_pickled_only_when_spawning(self):
        for thing in (ganger.Lock(), ganger.Condition(), ganger.Event(), ganger.Queue()):
            with self.assertRaises(RuntimeError):
                pickle.dumps(thing)

    def test_hold_says_who(self):
        lock = ganger.Lock()
        other = ganger.Lock(name=lock.name)
        with lock.hold():
            with self.assertRaisesRegex(ganger.TimeoutError, "held by .*%d" % os.getpid()):
                with other.hold(timeout=0.01):
                    pass

    def test_table(self):
        lock = ganger.Lock(name="table")
        with lock:
            entry = ganger.table("table")[0]
            self.assertEqual(entry["kind"], "lock")
            self.assertEqual(entry["holders"][0]["party"]["proc"]["pid"], os.getpid())
            self.assertLess(abs(entry["holders"][0]["since"] - time.monotonic_ns() // 1000), 10**6)
        self.assertEqual(ganger.table("table")[0]["holders"], [])


class Processes(harness.Case):
    @harness.each_method
    def test_identity(self, ctx, method):
        lock = ctx.Lock()
        child = self.child(acquire, lock, 0.05, method=method)
        with lock:
            self.assertEqual(child.hears(), False)

    @harness.each_method
    def test_exclusion(self, ctx, method):
        for kind in (ctx.Lock, ctx.RLock, lambda: ctx.Semaphore(1)):
            lock, total = kind(), multiprocessing.RawValue("q", 0)
            children = [self.child(add, lock, total, 500, method=method) for _ in range(3)]
            for child in children:
                child.hears()
                child.ends()
            self.assertEqual(total.value, 1500)

    def test_threads(self):
        lock, total = ganger.Lock(), [0]

        def run():
            for _ in range(300):
                with lock:
                    seen = total[0]
                    time.sleep(0)
                    total[0] = seen + 1
        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(total[0], 1200)

    def test_lock_is_released_by_another_thread(self):
        lock = ganger.Lock()
        for _ in range(3):
            thread = threading.Thread(target=lock.acquire)
            thread.start()
            thread.join()
            self.assertFalse(lock.acquire(False))
            lock.release()
        self.assertTrue(lock.acquire(False))
        lock.release()
        with self.assertRaises(ValueError):
            lock.release()

    def test_forked_child_keeps_nothing_of_the_parent(self):
        lock = ganger.Lock()
        child = self.child(grandchild, lock)
        pid = child.hears()
        child.kill()
        self.assertTrue(lock.acquire(timeout=5))
        self.assertTrue(lock.owner_died)
        lock.release()
        os.kill(pid, signal.SIGKILL)

    def test_queue_items(self):
        frames = ganger.Queue(2)
        for item in ("text", "\ud800", b"bytes", b"\xff", {"a": [1]}, "x" * (3 << 20), None):
            frames.put(item)
            self.assertEqual(frames.qsize(), 1)
            self.assertEqual(frames.get(), item)
        frames.put(1)
        frames.put(2)
        self.assertTrue(frames.full())
        with self.assertRaises(queue.Full):
            frames.put(3, timeout=0.01)
        frames.shutdown()
        with self.assertRaises(ganger.ShutDown):
            frames.put(3)
        self.assertEqual([frames.get(), frames.get()], [1, 2])
        with self.assertRaises(ganger.ShutDown):
            frames.get()


class Interrupts(harness.Case):
    def interrupt(self, *arguments):
        child = self.child(interrupted, *arguments)
        child.hears()
        time.sleep(0.1)
        os.kill(child.process.pid, signal.SIGINT)
        self.assertEqual(child.hears(10), "interrupted")
        return child

    def test_waits_are_withdrawn(self):
        lock, semaphore, event = ganger.Lock(), ganger.Semaphore(0), ganger.Event()
        with lock:
            self.interrupt(lock.acquire)
        self.assertTrue(lock.acquire(timeout=5))
        self.interrupt(semaphore.acquire)
        semaphore.release()
        self.assertTrue(semaphore.acquire(timeout=5))
        self.interrupt(event.wait)
        frames = ganger.Queue()
        self.interrupt(frames.get)
        frames.put("item")
        self.assertEqual(frames.get(timeout=5), "item")

    def test_condition_sleeper(self):
        condition = ganger.Condition()
        self.interrupt(sleep_in, condition)
        self.assertTrue(condition.acquire(timeout=5))
        condition.notify()
        condition.release()

    def test_barrier_breaks(self):
        barrier = ganger.Barrier(2)
        self.interrupt(barrier.wait)
        self.assertTrue(barrier.broken)

    def test_storm(self):
        for kind in (ganger.Lock, ganger.RLock):
            lock = kind()
            children = [self.child(storm, lock, 3) for _ in range(2)]
            for child in children:
                child.hears()
            while any(not child.ear.poll() for child in children):
                for child in children:
                    if not child.ear.poll():
                        os.kill(child.process.pid, signal.SIGINT)
                time.sleep(0.0005)
            hits = sum(child.hears() for child in children)
            self.assertGreater(hits, 0)
            self.assertTrue(lock.acquire(timeout=5), ganger.table(lock.name))
            lock.release()


class Endings(unittest.TestCase):
    def test_socket_that_leads_nowhere(self):
        done = python("import ganger\nlock = ganger.Lock()\ntry: lock.acquire()\n"
                      "except ConnectionError as error: print(type(error).__name__, error)",
                      GANGER_SOCKET="/nowhere/socket")
        self.assertIn("Gone GANGER_SOCKET=/nowhere/socket", done.stdout, done.stderr)

    def test_supervisor_ends(self):
        before = set(os.listdir("/dev/shm"))
        run = harness.Run()
        try:
            text = ("import ganger, sys\nlock = ganger.Lock()\nother = ganger.Lock(name=lock.name)\n"
                    "lock.acquire()\nprint('waits', flush=True)\n"
                    "try: %s\nexcept ganger.Gone as error: print(error)")
            waits = ("other.acquire()", "ganger.Queue().get()", "ganger.Event().wait()",
                     "ganger.Barrier(2).wait()", "ganger.Semaphore(0).acquire()")
            children = [subprocess.Popen([sys.executable, "-c", text % wait], stdout=subprocess.PIPE,
                                         env=dict(PATH, GANGER_SOCKET=run.path),
                                         universal_newlines=True)
                        for wait in waits]
            for child in children:
                self.assertEqual(child.stdout.readline(), "waits\n")
            time.sleep(0.2)
            run.kill()
            for child in children:
                out, _ = child.communicate(timeout=10)
                self.assertIn("the supervisor of the run has ended", out)
        finally:
            run.stop()
        left = {name for name in set(os.listdir("/dev/shm")) - before if "ganger" in name}
        self.assertEqual(left, set())

    def test_without_a_run(self):
        done = python("""
import ganger, multiprocessing.synchronize as standard
a, b = ganger.Lock(name="x"), ganger.Lock(name="x")
assert isinstance(a, standard.Lock) and not a.owner_died
with a: assert not b.acquire(False)
with a.hold(timeout=1): pass
q = ganger.Queue(3); q.put("a"); assert q.get(timeout=5) == "a"; q.close(); q.join_thread()
e = ganger.Event(); e.set(); assert e.wait(1)
with ganger.Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
v = ganger.Value("i", 3); assert v.value == 3
print("fine")
""", GANGER_SOCKET="")
        self.assertEqual(done.stdout, "fine\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
