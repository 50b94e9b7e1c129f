"""SIGKILL at bad moments: none may hang the rest."""

import concurrent.futures
import concurrent.futures.process
import multiprocessing.queues
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

import harness
import ganger


def hold(say, lock, times=1):
    for _ in range(times):
        lock.acquire()
    say("holds")
    time.sleep(1000)


def wait_for(say, lock):
    say("waits")
    lock.acquire()
    say(lock.owner_died)
    lock.release()


def get(say, frames):
    say("waits")
    say(frames.get())


def put(say, frames, item):
    say("puts")
    frames.put(item)
    say("has put")


def sleep_on(say, condition):
    with condition:
        say("sleeps")
        condition.wait()
        say("woken")


def stand_at(say, barrier):
    say("comes")
    try:
        say(barrier.wait())
    except threading.BrokenBarrierError:
        say("broken")


def wait_event(say, event):
    say("waits")
    say(event.wait())


def act_for_ever():
    time.sleep(1000)


def take_and_stay(say, frames):
    say(frames.get())
    time.sleep(1000)


def square(x):
    return x * x


def slow_square(x):
    time.sleep(0.05)
    return x * x


def die(x):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(x):
    os._exit(3)


def pid_and_stay(x):
    time.sleep(0.2)
    return os.getpid()


class Kill(harness.Case):
    @harness.each_method
    def test_holder(self, ctx, method):
        lock = ctx.Lock()
        child = self.child(hold, lock, method=method)
        child.hears()
        child.kill()
        self.assertTrue(lock.acquire(timeout=10))
        self.assertTrue(lock.owner_died)
        lock.release()
        self.assertTrue(lock.acquire(timeout=10))
        self.assertFalse(lock.owner_died)
        lock.release()

    @harness.each_method
    def test_holder_with_waiters(self, ctx, method):
        lock = ctx.Lock()
        holder = self.child(hold, lock, method=method)
        holder.hears()
        waiters = [self.child(wait_for, lock, method=method) for _ in range(2)]
        self.waiting(lock.name, 2)
        holder.kill()
        for waiter in waiters:
            waiter.hears()
        self.assertEqual(sorted(waiter.hears(10) for waiter in waiters), [False, True])

    @harness.each_method
    def test_rlock_holder(self, ctx, method):
        lock = ctx.RLock()
        child = self.child(hold, lock, 3, method=method)
        child.hears()
        child.kill()
        self.assertTrue(lock.acquire(timeout=10))
        self.assertTrue(lock.owner_died)
        lock.release()

    @harness.each_method
    def test_waiter(self, ctx, method):
        lock = ctx.Lock()
        lock.acquire()
        first, second = [self.child(wait_for, lock, method=method) for _ in range(2)]
        self.waiting(lock.name, 2)
        first.kill()
        # One that ended with the lock just given to it would be told of as its owner.
        self.until(lambda: ganger.table(lock.name)[0]["n_waiters"] == 1, "it is withdrawn")
        lock.release()
        second.hears()
        self.assertEqual(second.hears(10), False)

    @harness.each_method
    def test_semaphore_waiter(self, ctx, method):
        semaphore = ctx.Semaphore(0)
        first = self.child(wait_for_semaphore, semaphore, method=method)
        first.hears()
        self.waiting(semaphore.name)
        first.kill()
        self.until(lambda: not ganger.table(semaphore.name)[0]["n_waiters"], "it is withdrawn")
        semaphore.release()
        self.assertTrue(semaphore.acquire(timeout=10))

    @harness.each_method
    def test_queue_reader(self, ctx, method):
        for frames in (ctx.Queue(), ctx.SimpleQueue(), multiprocessing.queues.Queue(ctx=ctx)):
            first, second = [self.child(get, frames, method=method) for _ in range(2)]
            first.hears()
            second.hears()
            time.sleep(0.1)
            first.kill()
            frames.put("item")
            self.assertEqual(second.hears(10), "item")

    @harness.each_method
    def test_queue_writer(self, ctx, method):
        frames = ctx.Queue()
        big = b"x" * (64 << 20)
        for delay in (0.0, 0.01, 0.03):
            writer = self.child(put, frames, big, method=method)
            writer.hears()
            time.sleep(delay)
            writer.kill()
        frames.put("after")
        while True:
            item = frames.get(timeout=10)
            if item == "after":
                break
            self.assertEqual(item, big)
        self.assertTrue(frames.empty())

    @harness.each_method
    def test_full_queue_writer(self, ctx, method):
        frames = ctx.Queue(1)
        frames.put("first")
        writer = self.child(put, frames, "never", method=method)
        writer.hears()
        time.sleep(0.1)
        writer.kill()
        self.assertEqual(frames.get(timeout=10), "first")
        frames.put("second", timeout=10)
        self.assertEqual(frames.get(timeout=10), "second")

    @harness.each_method
    def test_taker_of_a_joinable_queue(self, ctx, method):
        frames = ctx.JoinableQueue()
        frames.put("item")
        taker = self.child(take_and_stay, frames, method=method)
        self.assertEqual(taker.hears(), "item")
        taker.kill()
        self.assertEqual(frames.get(timeout=10), "item")
        frames.task_done()
        frames.join()
        with self.assertRaises(ValueError):
            frames.task_done()

    @harness.each_method
    def test_condition_sleeper(self, ctx, method):
        condition = ctx.Condition()
        sleepers = [self.child(sleep_on, condition, method=method) for _ in range(3)]
        for sleeper in sleepers:
            sleeper.hears()
        self.waiting(condition.name, 3)
        sleepers[0].kill()
        self.until(lambda: ganger.table(condition.name)[0]["n_waiters"] == 2, "it does not count")
        for _ in range(2):
            with condition:
                condition.notify()
        for sleeper in sleepers[1:]:
            self.assertEqual(sleeper.hears(10), "woken")

    @harness.each_method
    def test_woken_sleeper_without_its_lock(self, ctx, method):
        condition = ctx.Condition()
        first = self.child(sleep_on, condition, method=method)
        first.hears()
        self.waiting(condition.name)
        second = self.child(sleep_on, condition, method=method)
        second.hears()
        self.waiting(condition.name, 2)
        with condition:
            condition.notify()
            first.kill()
            # Not before the broker knows.
            self.until(lambda: ganger.table(condition.name)[0]["n_waiters"] == 0,
                       "the wake-up goes to the next")
        self.assertEqual(second.hears(10), "woken")

    @harness.each_method
    def test_barrier_member(self, ctx, method):
        barrier = ctx.Barrier(3)
        first, second = [self.child(stand_at, barrier, method=method) for _ in range(2)]
        first.hears()
        second.hears()
        self.until(lambda: barrier.n_waiting == 2, "both stand there")
        first.kill()
        self.assertEqual(second.hears(10), "broken")
        with self.assertRaises(threading.BrokenBarrierError):
            barrier.wait()

    @harness.each_method
    def test_barrier_action(self, ctx, method):
        barrier = ctx.Barrier(2, action=act_for_ever)
        members = [self.child(stand_at, barrier, method=method) for _ in range(2)]
        for member in members:
            member.hears()
        self.until(lambda: barrier.n_waiting == 2, "the action runs")
        time.sleep(0.1)
        # One of the two acts; whichever is killed, the other goes on.
        members[0].kill()
        if members[1].ear.poll(0.5):
            self.assertEqual(members[1].hears(10), "broken")

    @harness.each_method
    def test_event_waiter(self, ctx, method):
        event = ctx.Event()
        first, second = [self.child(wait_event, event, method=method) for _ in range(2)]
        self.waiting(event.name, 2)
        first.kill()
        event.set()
        second.hears()
        self.assertTrue(second.hears(10))

    @harness.each_method
    def test_value(self, ctx, method):
        value = ctx.Value("i", 0)
        child = self.child(hold, value.get_lock(), method=method)
        child.hears()
        child.kill()
        with value.get_lock():
            value.value += 1

    @harness.each_method
    def test_pool_worker(self, ctx, method):
        with ctx.Pool(2) as pool:
            for killer in (die, leave):
                dead = pool.apply_async(killer, (1,))
                rest = pool.map_async(slow_square, range(8), chunksize=1)
                with self.assertRaises(ganger.WorkerDied):
                    dead.get(20)
                self.assertEqual(rest.get(20), [x * x for x in range(8)])
            self.assertEqual(pool.map(square, range(100)), [x * x for x in range(100)])
            pool.close()
            pool.join()

    @harness.each_method
    def test_idle_pool_workers(self, ctx, method):
        with ctx.Pool(3) as pool:
            pids = set(pool.map(pid_and_stay, range(3), chunksize=1))
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            result = pool.map_async(square, range(50), chunksize=1)
            try:
                self.assertEqual(result.get(20), [x * x for x in range(50)])
            except ganger.WorkerDied:
                pass                             # one had taken a task before the signal came

    @harness.each_method
    def test_large_results_and_kills(self, ctx, method):
        with ctx.Pool(2) as pool:
            results = [pool.apply_async(bytes, (1 << 20,)) for _ in range(8)]
            results.append(pool.apply_async(die, (1,)))
            results += [pool.apply_async(bytes, (1 << 20,)) for _ in range(8)]
            died = 0
            for result in results:
                try:
                    self.assertEqual(len(result.get(20)), 1 << 20)
                except ganger.WorkerDied:
                    died += 1
            self.assertEqual(died, 1)

    def test_pool_without_supervisor(self):
        for method in harness.METHODS:
            for shape in ("4", "2, maxtasksperchild=1"):
                with self.subTest(method=method, shape=shape):
                    run = harness.Run()
                    done = subprocess.run(
                        [sys.executable, "-c", POOL % (run.process.pid, method, shape)],
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                        timeout=20, env=dict(os.environ, GANGER_SOCKET=run.path,
                                             PYTHONPATH=os.path.dirname(harness.HERE)))
                    run.stop()
                    self.assertEqual((done.stdout, done.returncode), ("Gone\nGone\n", 0), done.stderr)

    def test_pool_and_its_end_leave_no_lock(self):
        before = {entry["name"] for entry in ganger.table()}
        with ganger.get_context("fork").Pool(2) as pool:
            pool.map(square, range(4))
        held = [entry for entry in ganger.table()
                if entry["name"] not in before and entry["holders"]]
        self.assertEqual(held, [])

    @harness.each_method
    def test_executor(self, ctx, method):
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=ctx) as executor:
            self.assertEqual(list(executor.map(square, range(20))), [x * x for x in range(20)])
            dead = executor.submit(die, 1)
            with self.assertRaises(concurrent.futures.process.BrokenProcessPool):
                dead.result(20)


POOL = """
import ganger, os, signal, threading, time
threading.Timer(0.5, os.kill, (%d, signal.SIGKILL)).start()
try:
    with ganger.get_context(%r).Pool(%s) as pool:
        try:
            pool.map(time.sleep, [0.02] * 1000, chunksize=1)
        except ganger.Gone:
            print("Gone")
        pool.map(time.sleep, [0.02])
except ganger.Gone:
    print("Gone")
"""


def wait_for_semaphore(say, semaphore):
    say("waits")
    semaphore.acquire()


if __name__ == "__main__":
    unittest.main()
