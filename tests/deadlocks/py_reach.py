"""Healthy: a process that was just started has not opened yet what others wait for; a lock that is
a gate. python3 py_reach.py SCENARIO METHOD"""
import multiprocessing as mp
import os
import sys
import threading
import time


def role(name):
    os.write(1, f"role {name} {os.getpid()} {threading.get_native_id()}\n".encode())


if __name__ != "__main__" and sys.argv[1:2] == ["slow_import"]:
    # As a child that imports much, before it has what it was given.
    role("child")
    time.sleep(600)


def open_it(event):
    event.set()


def slow_import(ctx):
    event = ctx.Event()
    ctx.Process(target=open_it, args=(event,), daemon=True).start()
    role("parent")
    event.wait()


def through(gate):
    role("waiter")
    with gate:
        pass


def opener(gate):
    role("opener")
    time.sleep(600)
    gate.release()


def gate(ctx):
    """Taken by acquire(), and given back by another process."""
    lock = ctx.Lock()
    lock.acquire()
    ctx.Process(target=opener, args=(lock,), daemon=True).start()
    waiter = ctx.Process(target=through, args=(lock,), daemon=True)
    waiter.start()
    role("parent")
    waiter.join()


if __name__ == "__main__":
    {"slow_import": slow_import, "gate": gate}[sys.argv[1]](mp.get_context(sys.argv[2]))
