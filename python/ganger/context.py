"""multiprocessing contexts whose locks are the run's. Everything else follows from them."""

import multiprocessing
import multiprocessing.context as standard
import multiprocessing.synchronize as standard_synchronize

from . import _client


class _Mixin:
    """Names are optional everywhere; without a run they only tell locks apart in here."""

    def get_context(self, method=None):
        return self if method is None else get_context(method)

    def Lock(self, *, name=None):
        from . import synchronize
        return synchronize.Lock(name=name, ctx=self)

    def RLock(self, *, name=None):
        from . import synchronize
        return synchronize.RLock(name=name, ctx=self)

    def Semaphore(self, value=1, *, name=None):
        from . import synchronize
        return synchronize.Semaphore(value, name=name, ctx=self)

    def BoundedSemaphore(self, value=1, *, name=None):
        from . import synchronize
        return synchronize.BoundedSemaphore(value, name=name, ctx=self)

    def Condition(self, lock=None, *, name=None):
        from . import synchronize
        if _client.active() and (lock is None or isinstance(
                getattr(lock, "_semlock", None), synchronize.LockHandle)):
            return synchronize.Condition(lock, name=name, ctx=self)
        return standard_synchronize.Condition(lock, ctx=self)

    def Event(self, *, name=None):
        from . import synchronize
        if _client.active():
            return synchronize.Event(name=name, ctx=self)
        return standard_synchronize.Event(ctx=self)

    def Barrier(self, parties, action=None, timeout=None, *, name=None):
        from . import synchronize
        if _client.active():
            return synchronize.Barrier(parties, action, timeout, name=name, ctx=self)
        return standard_synchronize.Barrier(parties, action, timeout, ctx=self)

    def Queue(self, maxsize=0, *, name=None):
        if _client.active():
            from . import queues
            return queues.Queue(maxsize, name=name, ctx=self)
        return super().Queue(maxsize)

    def JoinableQueue(self, maxsize=0, *, name=None):
        if _client.active():
            from . import queues
            return queues.JoinableQueue(maxsize, name=name, ctx=self)
        return super().JoinableQueue(maxsize)

    def Pool(self, processes=None, initializer=None, initargs=(), maxtasksperchild=None):
        if not _client.active():
            return super().Pool(processes, initializer, initargs, maxtasksperchild)
        from . import pool
        return pool.Pool(processes, initializer, initargs, maxtasksperchild, context=self)


class ForkContext(_Mixin, standard.ForkContext):
    pass


class SpawnContext(_Mixin, standard.SpawnContext):
    pass


class ForkServerContext(_Mixin, standard.ForkServerContext):
    pass


_contexts = {context._name: context for context in (
    ForkContext(), SpawnContext(), ForkServerContext())}


def get_context(method=None):
    """A multiprocessing context for `method` (fork, spawn, forkserver), by default the program's.

    Give it to code you do not own: `ProcessPoolExecutor(mp_context=ganger.get_context())`."""
    if method is None:
        method = multiprocessing.get_context().get_start_method()
    try:
        context = _contexts[method]
    except KeyError:
        raise ValueError("cannot find context for %r" % method) from None
    context._check_available()
    return context
