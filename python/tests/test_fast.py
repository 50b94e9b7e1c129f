"""The locks in shared memory: killed between any two steps, none is left without an owner."""

import itertools
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
import unittest

import harness
import ganger
from ganger import _fast, _client


class Steps:
    """Kills the process at its nth step: a word that is written, or a semaphore's call."""

    def __init__(self, n):
        self.left = n

    def step(self):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Words:
    def __init__(self, words, steps):
        self.words, self.steps = words, steps

    def __getitem__(self, place):
        return self.words[place]

    def __setitem__(self, place, value):
        self.steps.step()
        self.words[place] = value


def cut_off(say, lock, n):
    """Takes the lock and gives it back, and is killed at the nth step, if there are that many."""
    lock.acquire()
    lock.release()
    steps = Steps(n)
    take, post = _fast.take, _fast.post

    def killed_take(place):
        steps.step()
        took = take(place)
        steps.step()
        return took

    def killed_post(place):
        steps.step()
        post(place)
        steps.step()
    lock._semlock.words = Words(_fast.words, steps)
    _fast.take, _fast.post = killed_take, killed_post
    lock.acquire()
    lock.release()
    say("all steps done")


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            # One that was killed may not have been reaped.
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def hammer(say, locks, seed, marks):
    """Takes and gives back for ever, and notices when it is not alone."""
    signal.alarm(0)
    rng = random.Random(seed)
    me = os.getpid()
    while True:
        n = rng.randrange(len(locks))
        with locks[n]:
            if marks[n] and alive(marks[n]):
                say("two hold it: %d and %d" % (marks[n], me))
            marks[n] = me
            if rng.random() < 0.01:
                time.sleep(0.0005)
            marks[n] = 0


@unittest.skipIf(os.environ.get(_fast.OFF), "without shared memory")
class Fast(harness.Case):
    def setUp(self):
        super().setUp()
        if _fast.sit() < 0:
            self.skipTest("the broker has no shared memory, or the machine is of another kind")

    def test_killed_at_each_step(self):
        for waits in (False, True):
            for n in itertools.count(1):
                with self.subTest(step=n, waits=waits):
                    lock = ganger.Lock()
                    child = self.child(cut_off, lock, n)
                    waiter = self.child(take_once, lock) if waits else None
                    child.process.join(20)
                    ended = child.process.exitcode
                    self.assertIn(ended, (0, -signal.SIGKILL))
                    self.assertTrue(lock.acquire(timeout=10), ganger.table(lock.name))
                    self.assertFalse(ganger.Lock(name=lock.name).acquire(False))
                    lock.release()
                    if waits:
                        self.assertEqual(waiter.hears(10), "took it")
                    self.until(lambda: not ganger.table(lock.name)[0]["holders"], "it is free")
                if ended == 0:
                    break
            # Else nothing was killed: announced, took, wrote, let go, posted, cleared.
            self.assertGreater(n, 10)

    def test_holder_is_seen(self):
        lock = ganger.Lock()
        lock.acquire()
        lock.release()
        before = ganger.table(lock.name)[0]["stats"]["acquisitions"]
        asked = _client.connection().number
        for _ in range(100):
            with lock:
                pass
        self.assertEqual(_client.connection().number, asked, "something went over the socket")
        self.assertEqual(ganger.table(lock.name)[0]["stats"]["acquisitions"] - before, 100)

    def test_hold_times_are_counted(self):
        lock = ganger.Lock()
        for ms in [1] * 18 + [40, 80]:
            with lock:
                time.sleep(ms / 1000)
        hold = ganger.table(lock.name)[0]["stats"]["hold"]
        self.assertEqual(hold["count"], 20)
        self.assertTrue(875 <= hold["p50_us"] < 20000, hold)
        self.assertTrue(35000 <= hold["p95_us"] <= hold["max_us"], hold)
        self.assertGreaterEqual(hold["max_us"], 70000, hold)

    def verb(self, *words):
        return subprocess.run([harness.ganger_binary()] + list(words), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, timeout=60)

    def test_shell_and_python_exclude_each_other(self):
        lock = ganger.Lock(name="shell")
        asked = _client.connection().number
        with lock:
            pass
        lock.acquire()
        row = next(row for row in json.loads(self.verb("locks", "--json").stdout)
                   if row["name"] == "shell")
        self.assertEqual(row["holders"][0]["pid"], os.getpid())
        self.assertEqual(row["acquisitions"], 2)
        self.assertEqual(_client.connection().number, asked + 1, "only the cell was asked for")
        self.assertEqual(self.verb("lock", "shell", "--try", "--", "true").returncode, 75)
        waiter = subprocess.Popen([harness.ganger_binary(), "lock", "shell", "--", "echo", "mine"],
                                  stdout=subprocess.PIPE, universal_newlines=True)
        self.waiting("shell")
        lock.release()
        self.assertEqual(waiter.communicate(timeout=60)[0], "mine\n")
        holder = subprocess.Popen([harness.ganger_binary(), "lock", "shell", "--", "cat"],
                                  stdin=subprocess.PIPE)
        self.until(lambda: ganger.table("shell")[0]["holders"], "the shell holds it")
        self.assertFalse(lock.acquire(False))
        self.assertFalse(lock.acquire(timeout=0.01))
        holder.communicate(timeout=60)
        self.assertTrue(lock.acquire(timeout=10))
        lock.release()

    def test_circles_are_found_and_orders_are_told(self):
        locks = [ganger.Lock() for _ in range(2)]
        both = multiprocessing.Barrier(2)
        children = [self.child(take_both, *two, both) for two in (locks, locks[::-1])]
        found = []
        self.until(lambda: found.append(self.verb("deadlocks")) or found[-1].returncode == 1,
                   "the circle is found")
        for child, lock in zip(children, locks):
            self.assertIn("(pid %d)" % child.process.pid, found[-1].stdout)
            self.assertIn(lock.name, found[-1].stdout)
        children[0].kill()
        self.assertEqual(children[1].hears(10), "has both")

    def test_orders_are_told_that_do_not_overlap(self):
        one, other = ganger.Lock(), ganger.Lock()
        with one, other:
            pass
        self.assertNotIn(other.name, self.verb("events").stdout)
        with other, one:
            pass
        said = self.verb("events").stdout
        self.assertIn("took %s and then %s" % (one.name, other.name), said)

    def test_nothing_is_left(self):
        before = set(os.listdir("/dev/shm"))
        run = harness.Run()
        done = subprocess.run(
            [sys.executable, "-c", "import ganger, os, signal\nfor _ in range(50):\n"
             "    ganger.Lock().acquire()\nos.kill(os.getpid(), signal.SIGKILL)"],
            env=dict(os.environ, PYTHONPATH=os.path.dirname(harness.HERE),
                     GANGER_SOCKET=run.path))
        self.assertEqual(done.returncode, -signal.SIGKILL)
        run.kill()
        run.stop()
        # Other programs of the machine may put something there meanwhile; we have no names at all.
        left = {name for name in set(os.listdir("/dev/shm")) - before if "ganger" in name}
        self.assertEqual(left, set())

    def test_soak(self):
        seconds = float(os.environ.get("GANGER_SOAK_S", "5"))
        seed = int(os.environ.get("GANGER_SOAK_SEED", "0")) or random.randrange(1, 1 << 30)
        print("seed", seed, file=sys.stderr)
        rng = random.Random(seed)
        locks = [ganger.Lock(), ganger.RLock(), ganger.Lock()]
        marks = multiprocessing.RawArray("q", len(locks))
        children, kills = [], 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while len(children) < 6:
                children.append(self.child(hammer, locks, rng.random(), marks))
            time.sleep(rng.random() * 0.05)
            child = children.pop(rng.randrange(len(children)))
            if child.ear.poll():
                self.fail(child.ear.recv())
            child.kill()
            child.ear.close()
            kills += 1
        for child in children:
            if child.ear.poll():
                self.fail(child.ear.recv())
            child.kill()
        for lock in locks:
            self.assertTrue(lock.acquire(timeout=10), ganger.table(lock.name))
            lock.release()
        print("kills", kills, file=sys.stderr)


def take_both(say, first, second, both):
    with first:
        both.wait()
        with second:
            say("has both")


def take_once(say, lock):
    with lock:
        say("took it")


if __name__ == "__main__":
    unittest.main()
