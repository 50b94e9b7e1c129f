"""Queues of a run: what is put is stored by the broker, so that it outlives who put it and who
read halfway. `len` is exact, and there is no thread that feeds a pipe.

Text goes as text, so that `ganger queue put` and `get` see the same; all else is pickled.
"""

import base64
import collections
import multiprocessing.queues as standard
import os
import queue
import threading
import weakref
from multiprocessing import context, reduction

from . import _client, _names, synchronize

PICKLED, SPILLED = b"\xffP", b"\xffF"            # no UTF-8 text begins so
INLINE = 512 * 1024                              # longer items are files in the run's directory

ShutDown = getattr(queue, "ShutDown", None)
if ShutDown is None:
    class ShutDown(Exception):
        """The queue was shut down."""

_queues = weakref.WeakSet()


def _after_fork():
    # What the parent took is the parent's to finish.
    for one in list(_queues):
        one._taken = collections.deque()
        one._stash = collections.deque()


os.register_at_fork(after_in_child=_after_fork)


def _encode(obj):
    if type(obj) is str and len(obj) < INLINE // 4:
        try:
            obj.encode("utf-8")
            return obj
        except UnicodeEncodeError:
            pass
    data = bytes(reduction.ForkingPickler.dumps(obj))
    if len(data) > INLINE:
        return {"base64": base64.b64encode(SPILLED + _spill(data)).decode("ascii")}
    return {"base64": base64.b64encode(PICKLED + data).decode("ascii")}


def _spill(data):
    path = os.path.join(_client.directory(), "item-%d-%s" % (os.getpid(), os.urandom(6).hex()))
    with open(path, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        try:
            file.write(data)
        except BaseException:
            os.unlink(path)
            raise
    return os.fsencode(path)


def _unspill(path):
    with open(path, "rb") as file:
        data = file.read()
    os.unlink(path)
    return data


def _decode(item):
    if isinstance(item, str):
        return item
    data = base64.b64decode(item["base64"])
    if data.startswith(PICKLED):
        return reduction.ForkingPickler.loads(data[2:])
    if data.startswith(SPILLED):
        return reduction.ForkingPickler.loads(_unspill(os.fsdecode(data[2:])))
    return data


class _End:
    """Stands where multiprocessing's Queue has an end of a pipe."""

    def __init__(self, queue):
        self._queue = queue
        self.closed = False

    def poll(self, timeout=0.0):
        return not self._queue.empty()

    def close(self):
        self.closed = True


class Queue(standard.Queue):
    """A queue of the broker, with the interface of multiprocessing's."""

    _joinable = False

    def __init__(self, maxsize=0, *, name=None, ctx=None):
        maximum = maxsize if maxsize > 0 else synchronize.SEM_VALUE_MAX
        self.__setstate__((name or _names.of_creator(), maximum))

    def __getstate__(self):
        context.assert_spawning(self)
        return self.name, self._maxsize

    def __setstate__(self, state):
        self.name, self._maxsize = state
        self._ignore_epipe = False
        self._taken = collections.deque()        # tickets of what this process has not done yet
        self._stash = collections.deque()        # came in the moment of an interrupt
        self._made = False
        self._closed = False
        self._buffer = collections.deque()
        self._notempty = threading.Condition(threading.Lock())
        self._reader, self._writer = _End(self), _End(self)
        _queues.add(self)

    _thread = None
    _rlock = property(lambda self: synchronize.Lock(name=self.name + "/get"))
    _wlock = property(lambda self: synchronize.Lock(name=self.name + "/put"))

    @property
    def _sem(self):
        return synchronize._Number(lambda: self._maxsize - self.qsize())

    def _reset(self, after_fork=False):
        pass

    def _make(self):
        if not self._made:
            unlimited = self._maxsize == synchronize.SEM_VALUE_MAX
            limit = {} if unlimited else {"max": self._maxsize}
            _client.ask("queue_create", name=self.name, **limit)
            self._made = True

    def put(self, obj, block=True, timeout=None):
        if self._closed:
            raise ValueError("Queue %r is closed" % self)
        try:
            # Here, not in a thread later: what changes afterwards is not what was put.
            item = _encode(obj)
        except Exception as error:
            # As multiprocessing does, which finds it out too late to raise it.
            self._on_queue_feeder_error(error, obj)
            return
        self._make()
        answer = _client.tell("queue_put", name=self.name, items=[item],
                              **_client.milliseconds(block, timeout))
        if not answer.get("ok"):
            self._refuse(answer, block, timeout, queue.Full)

    def get(self, block=True, timeout=None):
        if self._closed:
            raise ValueError("Queue %r is closed" % self)
        try:
            return self._take(self._stash.popleft())
        except IndexError:
            pass
        self._make()
        fields = {"name": self.name, "n": 1}
        if self._joinable:
            # The taker is this process, which may be killed and its job go on.
            fields["keep"] = fields["tied"] = True
        fields.update(_client.milliseconds(block, timeout))
        got = []
        try:
            answer = _client.connection().ask("queue_get", fields, got)
        except BaseException:
            if got and got[0].get("ok"):
                self._stash.append(got[0])
            raise
        if not answer.get("ok"):
            self._refuse(answer, block, timeout, queue.Empty)
        return self._take(answer)

    def _take(self, answer):
        self._taken.extend(answer.get("tickets", ()))
        return _decode(answer["items"][0])

    def _refuse(self, answer, block, timeout, error):
        if answer.get("error") in ("timeout", "busy") and (timeout is not None or not block):
            raise error
        if answer.get("error") == "closed":
            raise ShutDown(answer.get("text", ""))
        raise synchronize._refusal(answer)

    def qsize(self):
        return _client.ask("queue_len", name=self.name)["len"] + len(self._stash)

    def empty(self):
        if self._closed:
            raise ValueError("Queue %r is closed" % self)
        self._make()
        return self.qsize() == 0

    def full(self):
        self._make()
        return self.qsize() >= self._maxsize

    def shutdown(self):
        """Refuses what is put from now on, by whomever; gets end with `ShutDown` when nothing is
        left. `close` ends only the use by this process."""
        self._make()
        _client.ask("queue_close", name=self.name)

    def close(self):
        self._closed = True
        self._reader.close()
        self._writer.close()

    def join_thread(self):
        assert self._closed, "Queue %r not closed" % self

    def cancel_join_thread(self):
        pass


class JoinableQueue(Queue):
    """With `task_done` and `join`. What a process took and had not done when it ended comes back
    to the front."""

    _joinable = True

    def task_done(self):
        try:
            fields = {"tickets": [self._taken.popleft()]}
        except IndexError:
            # Taken by one process, done by another.
            fields = {"n": 1}
        try:
            _client.ask("queue_done", name=self.name, **fields)
        except _client.Refused:
            raise ValueError("task_done() called too many times") from None

    def join(self):
        self._make()
        _client.ask("queue_join", name=self.name)
