"""multiprocessing, with its locks on show: see README.md.

In a job of `ganger run` the primitives are the run's, shared by name with all its jobs and with
the verbs of the command line. Elsewhere they are multiprocessing's own.
"""

from multiprocessing import (
    Manager, Pipe, Process, RawArray, RawValue, active_children, cpu_count, current_process,
    freeze_support)

from ._client import Gone, Refused, TimeoutError, active, ask
from .context import get_context

__all__ = [
    "Array", "Barrier", "BoundedSemaphore", "Condition", "Event", "Gone", "JoinableQueue", "Lock",
    "Manager", "Pipe", "Pool", "Process", "Queue", "RLock", "RawArray", "RawValue", "Refused",
    "Semaphore", "ShutDown", "SimpleQueue", "TimeoutError", "Value", "WorkerDied", "active", "active_children", "ask",
    "cpu_count", "current_process", "freeze_support", "get_context", "table",
]


def Lock(*, name=None):
    """`Lock(name="db")` is the lock of `ganger lock db`."""
    return get_context().Lock(name=name)


def RLock(*, name=None):
    return get_context().RLock(name=name)


def Semaphore(value=1, *, name=None):
    return get_context().Semaphore(value, name=name)


def BoundedSemaphore(value=1, *, name=None):
    return get_context().BoundedSemaphore(value, name=name)


def Condition(lock=None, *, name=None):
    return get_context().Condition(lock, name=name)


def Event(*, name=None):
    return get_context().Event(name=name)


def Barrier(parties, action=None, timeout=None, *, name=None):
    return get_context().Barrier(parties, action, timeout, name=name)


def Queue(maxsize=0, *, name=None):
    return get_context().Queue(maxsize, name=name)


def JoinableQueue(maxsize=0, *, name=None):
    return get_context().JoinableQueue(maxsize, name=name)


def SimpleQueue():
    return get_context().SimpleQueue()


def Value(typecode_or_type, *args, lock=True):
    return get_context().Value(typecode_or_type, *args, lock=lock)


def Array(typecode_or_type, size_or_initializer, *, lock=True):
    return get_context().Array(typecode_or_type, size_or_initializer, lock=lock)


def Pool(processes=None, initializer=None, initargs=(), maxtasksperchild=None):
    return get_context().Pool(processes, initializer, initargs, maxtasksperchild)


def __getattr__(name):
    # With what they need, these are slow to import.
    if name == "WorkerDied":
        from .pool import WorkerDied
        return WorkerDied
    if name == "ShutDown":
        from .queues import ShutDown
        return ShutDown
    raise AttributeError("module 'ganger' has no attribute %r" % name)


def table(*names):
    """The live table of the run's primitives, of some names or of all."""
    return ask("list", **({"names": list(names)} if names else {}))["locks"]
