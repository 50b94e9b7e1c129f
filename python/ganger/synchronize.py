"""Lock, RLock, Semaphore, BoundedSemaphore, Condition, Event and Barrier of a run.

They are multiprocessing's classes with another engine: `_semlock` is not the C library's
semaphore but a handle that asks the broker. What builds on them (Queue, Value, Pool, executors)
need not know.
"""

import contextlib
import multiprocessing.synchronize as standard
import threading
from multiprocessing import context, util
from time import monotonic_ns

from . import _client, _fast, _names
from ._fast import CLOSED, HOLDER, SINCE, TAKEN, local

RECURSIVE_MUTEX, SEMAPHORE = standard.RECURSIVE_MUTEX, standard.SEMAPHORE
SEM_VALUE_MAX = standard.SEM_VALUE_MAX
_plain = {}                                      # without a run: what a name= means in here
_orders = set()                                  # (first, second): told to the run already
ORDERS = 10000


class Handle:
    """What stands in `_semlock`. Identity is the name; all else is this process's view."""

    sort = ""
    handle = 0

    def __init__(self, name, value, maxvalue, cell=0):
        self.name, self.value, self.maxvalue = name, value, maxvalue
        self.owner_died = False
        self._after_fork()
        self.cell, self.semaphore, self.words = cell, None, None
        self.hold_times = 0

    def _after_fork(self):
        self.count = 0
        self.thread = 0

    def open_cell(self):
        """Looks for the primitive in the shared memory, once in each process."""
        if self.cell >= 0 and self.words is None:
            if self.cell > 0 and _fast.sit() > 0:
                self.semaphore = _fast.semaphore(self.cell)
            else:
                self.cell, self.semaphore = _fast.open_cell(self.name, self.sort, self.creation())
            if self.cell > 0:
                self.hold_times = _fast.hold_times(self.cell)
            # Last: with it the others count.
            self.words = _fast.words if self.cell > 0 else None

    def creation(self):
        return {}

    def entry(self):
        entries = _client.ask("list", names=[self.name])["locks"]
        return entries[0] if entries else None

    def _count(self):
        return self.count

    def _is_mine(self):
        return self.count > 0 and self.thread == threading.get_ident()

    def _is_zero(self):
        return self._get_value() == 0

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *_):
        self.release()


class LockHandle(Handle):
    """A lock, or with `recursive` one that its holder may take again."""

    kind = SEMAPHORE
    sort = "lock"
    recursive = False

    def acquire(self, block=True, timeout=None):
        me = threading.get_ident()
        if self.recursive and self.count and self.thread == me:
            self.count += 1
            return True
        words, seat = self.words, local.seat
        if words is None or seat <= 0:
            return self.acquire_first(block, timeout)
        # An intent that stands already is that of a step which a signal's handler, which this
        # then is, came into.
        if words[seat] == 0:
            cell = self.cell
            try:
                words[seat] = cell
                if not words[cell + CLOSED] and _fast.take(self.semaphore) == 0:
                    words[cell + HOLDER] = seat
                    words[cell + SINCE] = monotonic_ns()
                    words[cell + TAKEN] += 1
                    words[seat] = 0
                    self.owner_died = False
                    self.thread = me
                    self.count += 1
                    held = local.held
                    if held:
                        self.note_order(held, me)
                    held.append(self)
                    return True
                words[seat] = 0
            except BaseException:
                self.lost(seat)
                raise
        return self.ask_for(block, timeout)

    def acquire_first(self, block, timeout):
        if self.cell >= 0 and local.seat == 0:
            _fast.sit()
        if self.cell >= 0 and self.words is None:
            self.open_cell()
        if self.words is not None and local.seat > 0:
            return self.acquire(block, timeout)
        return self.ask_for(block, timeout)

    def ask_for(self, block, timeout):
        got = []
        fields = {"names": [self.name], "kind": self.sort}
        fields.update(_client.milliseconds(block, timeout))
        try:
            answer = _client.connection().ask("acquire", fields, got)
            if not answer.get("ok"):
                if answer.get("error") in ("timeout", "busy") and (timeout is not None or not block):
                    return False
                raise _refusal(answer)
            self.owner_died = self.name in answer.get("owner_died", ())
            self.thread = threading.get_ident()
            self.count += 1
            if local.held:
                self.note_order(local.held, self.thread)
            local.held.append(self)
            return True
        except BaseException:
            if got and got[0].get("ok"):
                self.count = 0
                _shielded(lambda: _client.tell("release", names=[self.name]))
            raise

    def note_order(self, held, me):
        """Tells the run, once for each two locks, that this one was taken while that was held: it
        warns of locks that are taken in both orders. Of those in `held` that another thread gave
        back, or an interrupt, nothing is told."""
        for other in held:
            order = other.name, self.name
            if (order not in _orders and other is not self and other.count and other.thread == me
                    and len(_orders) < ORDERS):
                _orders.add(order)
                _client.tell("fast_order", first=order[0], second=order[1])

    def release(self):
        me = threading.get_ident()
        if self.recursive:
            if not self.count or self.thread != me:
                raise AssertionError("attempt to release recursive lock not owned by thread")
            if self.count > 1:
                self.count -= 1
                return
        held = local.held
        if held and held[-1] is self:
            held.pop()
        elif self in held:
            held.remove(self)
        words, seat, cell = self.words, local.seat, self.cell
        if (words is not None and seat > 0 and words[cell + HOLDER] == seat
                and not words[cell + CLOSED] and words[seat] == 0):
            try:
                words[seat] = cell
                self.count -= 1
                # Counted while nobody else can: four words for each doubling.
                held_for = max(monotonic_ns() - words[cell + SINCE], 8) | 8
                bits = held_for.bit_length()
                words[self.hold_times + 4 * bits + (held_for >> bits - 3)] += 1
                words[cell + HOLDER] = 0
                _fast.post(self.semaphore)
                words[seat] = 0
                if words[cell + CLOSED]:
                    # Somebody began to wait just then, and the broker could not know of this.
                    _client.tell("fast_freed", name=self.name)
            except BaseException:
                self.lost(seat)
                raise
            return
        # State is lowered first: with the answer another may have it.
        count, got = self.count, []
        fields = {"names": [self.name], "anyone": not self.recursive}
        try:
            self.count = max(count - 1, 0)
            answer = _client.connection().ask("release", fields, got)
        except BaseException:
            self.count = max(count - 1, 0)
            if _unsent(got):
                _shielded(lambda: _client.tell("release", **fields))
            raise
        if not answer.get("ok"):
            self.count = count
            if answer.get("error") == "not_owner":
                raise ValueError("semaphore or lock released too many times")
            raise _refusal(answer)

    def lost(self, seat):
        """An interrupt came in the middle of a step: only the broker can say what became of it.
        Afterwards this thread does not hold the lock."""
        self.count = 0

        def settle():
            _client.tell("fast_lost", name=self.name, seat=seat)
            self.words[seat] = 0
        _shielded(settle)

    def _get_value(self):
        words = self.words
        if words is not None and not words[self.cell + CLOSED]:
            return words[self.cell] & 0xFFFFFFFF
        entry = self.entry()
        return 0 if entry and entry["holders"] else 1


class RLockHandle(LockHandle):
    kind = RECURSIVE_MUTEX
    sort = "rlock"
    recursive = True


class SemaphoreHandle(Handle):
    """Permits that anybody may give back: they belong to nobody."""

    kind = SEMAPHORE
    sort = "semaphore"

    def creation(self):
        return {"max": self.value, "bounded": self.maxvalue != SEM_VALUE_MAX}

    def acquire(self, block=True, timeout=None):
        words = self.words
        if words is None:
            self.open_cell()
            words = self.words
        if words is not None:
            cell = self.cell
            if not words[cell + CLOSED] and _fast.take(self.semaphore) == 0:
                words[cell + TAKEN] += 1
                self.thread = threading.get_ident()
                self.count += 1
                return True
        got = []
        fields = {"name": self.name}
        fields.update(self.creation())
        fields.update(_client.milliseconds(block, timeout))
        try:
            answer = _client.connection().ask("semaphore_acquire", fields, got)
            if not answer.get("ok"):
                if answer.get("error") in ("timeout", "busy") and (timeout is not None or not block):
                    return False
                raise _refusal(answer)
            self.thread = threading.get_ident()
            self.count += 1
            return True
        except BaseException:
            if got and got[0].get("ok"):
                _shielded(lambda: _client.tell("semaphore_release", name=self.name))
            raise

    def release(self):
        words = self.words
        if words is None:
            self.open_cell()
            words = self.words
        if words is not None and not words[self.cell + CLOSED]:
            cell = self.cell
            if words[cell] & 0xFFFFFFFF >= self.maxvalue:
                raise ValueError("semaphore or lock released too many times")
            self.count -= 1
            try:
                _fast.post(self.semaphore)
                if words[cell + CLOSED]:
                    _client.tell("fast_freed", name=self.name)
            except BaseException:
                _shielded(lambda: _client.tell("fast_freed", name=self.name))
                raise
            return
        fields, got, count = dict(self.creation(), name=self.name), [], self.count
        try:
            self.count = count - 1
            answer = _client.connection().ask("semaphore_release", fields, got)
        except BaseException:
            self.count = count - 1
            if _unsent(got):
                _shielded(lambda: _client.tell("semaphore_release", **fields))
            raise
        if not answer.get("ok"):
            self.count += 1
            if answer.get("error") == "invalid":
                raise ValueError("semaphore or lock released too many times")
            raise _refusal(answer)

    def _get_value(self):
        words = self.words
        if words is not None and not words[self.cell + CLOSED]:
            return words[self.cell] & 0xFFFFFFFF
        entry = self.entry()
        return entry["value"] if entry else self.value


def _refusal(answer):
    text = answer.get("text") or answer.get("error", "")
    if answer.get("error") in ("timeout", "busy"):
        return _client.TimeoutError(text)
    return _client.Refused(answer.get("error", "invalid"), text, answer)


def _unsent(got):
    """After an interrupt: whether what was asked has not been done."""
    return not got or got[0].get("error") == "withdrawn"


def _shielded(do):
    """Does what must not be left half done by a second interrupt."""
    while True:
        try:
            return do()
        except KeyboardInterrupt:
            continue
        except (_client.Gone, _client.Refused):
            return None


class _Named:
    """Mixed into multiprocessing's four classes."""

    _handle = None

    def _make(self, name, value, maxvalue, plain):
        if not _client.active():
            plain()
            if name is not None:
                # The same name is the same lock; children that are forked inherit it.
                self._semlock = _plain.setdefault((type(self).__name__, name), self)._semlock
                self._make_methods()
            self.name = name
            return
        self._semlock = self._handle(name or _names.of_creator(), value, maxvalue)
        self._ready()

    def _ready(self):
        self.name = self._semlock.name
        self._make_methods()
        util.register_after_fork(self, lambda self: self._semlock._after_fork())

    @property
    def owner_died(self):
        """Whether the lock came, at its last acquire in here, from an owner that ended with it."""
        return getattr(self._semlock, "owner_died", False)

    @contextlib.contextmanager
    def hold(self, timeout=None):
        """`with lock.hold(timeout=5):` raises `ganger.TimeoutError`, which says who holds it."""
        if isinstance(self._semlock, Handle):
            if not self.acquire(True, timeout):
                raise _client.TimeoutError(self._held_by(timeout))
        elif not self.acquire(True, timeout):
            raise _client.TimeoutError("it did not become free in %ss" % timeout)
        try:
            yield self
        finally:
            self.release()

    def _held_by(self, timeout):
        text = "`%s` did not become free in %ss" % (self.name, timeout)
        entry = self._semlock.entry()
        for holder in (entry or {}).get("holders", ()):
            held = monotonic_ns() // 1000 - holder.get("since", 0)
            text += ": held by %s for %.1fs" % (_party(holder.get("party") or {}), held / 1e6)
        return text

    def locked(self):
        return self._semlock._is_zero()

    def __getstate__(self):
        handle = self._semlock
        if not isinstance(handle, Handle):
            return super().__getstate__()
        context.assert_spawning(self)
        return ("ganger", handle.name, handle.value, handle.maxvalue, handle.cell)

    def __setstate__(self, state):
        if state[0] != "ganger":
            super().__setstate__(state)
            self.name = None
            return
        self._semlock = self._handle(*state[1:])
        self._ready()


def _party(party):
    """As ganger's other messages name it: `index.py (pid 812) thread 3`."""
    attempt, proc, thread = (party.get(key) for key in ("attempt", "proc", "thread"))
    name = ":%d#%d" % (attempt["job"], attempt["n"]) if attempt else party.get("label")
    pid = "pid %d" % proc["pid"] if proc else None
    text = "%s (%s)" % (name, pid) if name and pid else name or pid or "somebody"
    return text if thread is None else "%s thread %d" % (text, thread)


class Lock(_Named, standard.Lock):
    _handle = LockHandle

    def __init__(self, *, name=None, ctx=None):
        self._make(name, 1, 1, lambda: standard.Lock.__init__(self, ctx=ctx))


class RLock(_Named, standard.RLock):
    _handle = RLockHandle

    def __init__(self, *, name=None, ctx=None):
        self._make(name, 1, 1, lambda: standard.RLock.__init__(self, ctx=ctx))


class Semaphore(_Named, standard.Semaphore):
    _handle = SemaphoreHandle

    def __init__(self, value=1, *, name=None, ctx=None):
        self._make(name, value, SEM_VALUE_MAX,
                   lambda: standard.Semaphore.__init__(self, value, ctx=ctx))


class BoundedSemaphore(_Named, standard.BoundedSemaphore):
    _handle = SemaphoreHandle

    def __init__(self, value=1, *, name=None, ctx=None):
        self._make(name, value, value,
                   lambda: standard.BoundedSemaphore.__init__(self, value, ctx=ctx))


class _Number:
    """Stands where multiprocessing's Condition has a semaphore that others look at."""

    def __init__(self, get=lambda: 0):
        self._get_value = self.get_value = get
        self._semlock = self


class Condition(standard.Condition):
    """A condition of the broker: a sleeper that is killed is not counted, and one that is killed
    after it was woken wakes the next."""

    def __init__(self, lock=None, *, name=None, ctx=None):
        name = name or _names.of_creator()
        self.__setstate__((lock or RLock(name=name + "/lock", ctx=ctx), name))

    def __getstate__(self):
        context.assert_spawning(self)
        return self._lock, self.name

    def __setstate__(self, state):
        self._lock, self.name = state
        self._sleeping_count = _Number(self._sleepers)
        self._woken_count = self._wait_semaphore = _Number()
        self._make_methods()

    def _sleepers(self):
        entries = _client.ask("list", names=[self.name])["locks"]
        return entries[0]["n_waiters"] if entries else 0

    def wait(self, timeout=None):
        handle = self._lock._semlock
        assert handle._is_mine(), "must acquire() condition before using wait()"
        fields = {"name": self.name, "lock": handle.name}
        fields.update(_client.milliseconds(True, timeout))
        count, handle.count = handle.count, 0
        got = []
        try:
            answer = _client.connection().ask("condition_wait", fields, got)
            if answer.get("ok"):
                return True
            if answer.get("error") in ("timeout", "busy") and timeout is not None:
                return False
            raise _refusal(answer)
        except BaseException:
            if got and got[0].get("ok"):
                # It was woken, but goes away: somebody else must be.
                _shielded(lambda: _client.tell("condition_notify", name=self.name, n=1))
            raise
        finally:
            handle.thread = threading.get_ident()
            handle.count = count

    def notify(self, n=1):
        assert self._lock._semlock._is_mine(), "lock is not owned"
        _client.ask("condition_notify", name=self.name, n=n)

    def notify_all(self):
        assert self._lock._semlock._is_mine(), "lock is not owned"
        _client.ask("condition_notify", name=self.name)


class Event(standard.Event):
    """An event of the broker."""

    def __init__(self, *, name=None, ctx=None):
        self.name = name or _names.of_creator()

    def __getstate__(self):
        context.assert_spawning(self)
        return {"name": self.name}

    def __setstate__(self, state):
        self.name = state["name"]

    def is_set(self):
        return _client.ask("event_is_set", name=self.name)["is_set"]

    def set(self):
        _client.ask("event_set", name=self.name)

    def clear(self):
        _client.ask("event_clear", name=self.name)

    def wait(self, timeout=None):
        answer = _client.tell("event_wait", name=self.name, **_client.milliseconds(True, timeout))
        if answer.get("ok"):
            return True
        if answer.get("error") in ("timeout", "busy") and timeout is not None:
            return False
        raise _refusal(answer)


class Barrier(standard.Barrier):
    """A barrier of the broker: it breaks when one that waits in it is killed."""

    def __init__(self, parties, action=None, timeout=None, *, name=None, ctx=None):
        self.__setstate__((parties, action, timeout, name or _names.of_creator()))

    def __getstate__(self):
        context.assert_spawning(self)
        return self._parties, self._action, self._timeout, self.name

    def __setstate__(self, state):
        self._parties, self._action, self._timeout, self.name = state

    def _tell(self, op, **fields):
        return _client.tell(op, name=self.name, parties=self._parties, **fields)

    def wait(self, timeout=None):
        fields = _client.milliseconds(True, self._timeout if timeout is None else timeout)
        if self._action:
            fields["act"] = True
        answer = self._tell("barrier_wait", **fields)
        if not answer.get("ok"):
            if answer.get("error") in ("broken", "timeout", "busy"):
                raise threading.BrokenBarrierError
            raise _refusal(answer)
        if answer.get("act"):
            try:
                self._action()
            except BaseException:
                self.abort()
                raise
            if not self._tell("barrier_pass").get("ok"):
                raise threading.BrokenBarrierError
        return answer["index"]

    def reset(self):
        _client.check(self._tell("barrier_reset"))

    def abort(self):
        _client.check(self._tell("barrier_abort"))

    def _entry(self):
        entries = _client.ask("list", names=[self.name])["locks"]
        return entries[0] if entries else {"waiting": 0, "broken": False}

    @property
    def n_waiting(self):
        return self._entry()["waiting"]

    @property
    def broken(self):
        return self._entry()["broken"]
