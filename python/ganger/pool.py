"""multiprocessing's Pool, whose tasks do not vanish with a worker that is killed.

The pool is the standard's; its two pipes are replaced. A packet is taken whole or not at all, and
what a worker is about to take stands in shared memory before it does. So when a worker has ended,
the pool knows what it had: that task fails with `WorkerDied`, the others go on.
"""

import collections
import multiprocessing
import multiprocessing.pool as standard
import os
import shutil
import signal
import socket
import struct
import tempfile
import time
import weakref
from multiprocessing import connection, queues, reduction, util

from . import _client

IDLE, TAKING, RUNNING = range(3)
STATE, JOB, INDEX = range(3)                     # numbers of a place
PLACE = 3
HEAD = struct.Struct("<qqq")                     # place, job, index
NOBODY, LOST = -1, -2
REMEMBERED = 4096                                # results, for as long as a death may go unnoticed
LARGEST = 32 * 1024                              # what is larger goes through a file


class WorkerDied(RuntimeError):
    """The worker that had the task was killed, or left without an answer."""

    def __init__(self, pid, exitcode):
        super().__init__(pid, exitcode)
        self.pid, self.exitcode = pid, exitcode

    def __str__(self):
        how = "status %s" % self.exitcode
        if self.exitcode is not None and self.exitcode < 0:
            try:
                how = signal.Signals(-self.exitcode).name
            except ValueError:
                how = "signal %d" % -self.exitcode
        return "worker %s ended with %s before it had finished the task" % (self.pid, how)


class _End:
    """One end of a channel. Each packet is a head and a pickle."""

    def __init__(self, sock, directory):
        self.sock, self.directory = sock, directory

    def __getstate__(self):
        return reduction.DupFd(self.sock.fileno()), self.directory

    def __setstate__(self, state):
        self.sock, self.directory = _client.Socket(fileno=state[0].detach()), state[1]

    def fileno(self):
        return self.sock.fileno()

    @property
    def closed(self):
        return self.sock.fileno() < 0

    def close(self):
        self.sock.close()

    def poll(self, timeout=0.0):
        return bool(connection.wait([self], timeout))

    def look(self):
        """The head of the next packet, which stays."""
        data = self.sock.recv(HEAD.size, socket.MSG_PEEK)
        if not data:
            raise EOFError
        return HEAD.unpack(data)

    def take(self):
        data = self.sock.recv(HEAD.size + LARGEST + 1)
        if not data:
            raise EOFError
        return HEAD.unpack_from(data), data[HEAD.size:]

    def give(self, place, job, index, obj):
        data = bytes(reduction.ForkingPickler.dumps(obj))
        if len(data) > LARGEST:
            handle, path = tempfile.mkstemp(dir=self.directory)
            with open(handle, "wb") as file:
                file.write(data)
            data = os.fsencode(path)
        self.sock.sendall(HEAD.pack(place, job, index) + data)

    @staticmethod
    def load(data):
        if data[:1] != b"\x80":
            # Pickles begin so, paths do not.
            with open(os.fsdecode(data), "rb") as file:
                os.unlink(os.fsdecode(data))
                data = file.read()
        return reduction.ForkingPickler.loads(data)

    def send(self, task):
        job, index = task[:2] if task else (NOBODY, NOBODY)
        self.give(NOBODY, job, index, task)

    def recv(self):
        return self.load(self.take()[1])


def _channel(directory):
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return [_End(_client.Socket(fileno=end.detach()), directory) for end in ends]


class _Tasks:
    """Stands for the queue of tasks: what a worker has is noted before it has it."""

    def __init__(self, ctx, directory, places):
        self._reader, self._writer = _channel(directory)
        self._rlock = ctx.Lock()
        self.places, self.place = places, None
        self.is_held = False

    def hold(self):
        try:
            self.is_held = self._rlock.acquire()
        except _client.Gone:
            pass

    def drop(self):
        """Takes a packet away; says whether there was one."""
        try:
            return bool(self._reader.sock.recv(1, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return False

    def let_go(self):
        if self.is_held:
            self.is_held = False
            try:
                self._rlock.release()
            except _client.Gone:
                pass

    def get(self):
        mine, places = self.place * PLACE, self.places
        with self._rlock:
            _, job, index = self._reader.look()
            places[mine + JOB], places[mine + INDEX] = job, index
            places[mine + STATE] = TAKING
            _, data = self._reader.take()
            places[mine + STATE] = RUNNING if job != NOBODY else IDLE
        return self._reader.load(data)


class _Results:
    """Stands for the queue of results."""

    def __init__(self, directory, places):
        self._reader, self._writer = _channel(directory)
        self.places, self.place = places, NOBODY
        self.recent = collections.OrderedDict()

    def put(self, result):
        job, index = result[:2] if result else (NOBODY, NOBODY)
        self._writer.give(self.place, job, index, result)
        if self.place != NOBODY:
            self.places[self.place * PLACE + STATE] = IDLE

    def lost(self, job, index, error):
        """From the pool itself: after all that the dead worker had written."""
        self._writer.give(LOST, job, index, (job, index, (False, error)))

    def get(self):
        while True:
            (place, job, index), data = self._reader.take()
            result = self._reader.load(data)
            # A worker may answer, and die before it has noted that it did.
            if place == LOST and (job, index) in self.recent:
                continue
            self.recent[job, index] = None
            if len(self.recent) > REMEMBERED:
                self.recent.popitem(last=False)
            return result


def _work(place, tasks, results, *arguments):
    tasks.place = results.place = place
    standard.worker(tasks, results, *arguments)


class _Places:
    """Gives each worker a place, and looks at what stands there when its worker has ended."""

    def __init__(self, pool, tasks, results, give_up):
        self.pool, self.tasks, self.results, self.workers = pool, tasks, results, {}
        self.give_up = give_up

    def start(self, ctx, target, args):
        ended = [place for place, worker in self.workers.items() if worker not in self.pool]
        if ended:
            self.bury_all(ended)
        place = 0
        while place in self.workers:
            place += 1
        if target is standard.worker:
            target, args = _work, (place,) + tuple(args)
        worker = self.workers[place] = ctx.Process(target=target, args=args)
        return worker

    def bury_all(self, ended):
        try:
            _client.tell("list", names=["-"])
            for place in ended:
                self.bury(place, self.workers.pop(place))
        except _client.Gone as gone:
            give_up = self.give_up()
            if give_up:
                give_up(gone)
            # Ends the thread of the pool that starts workers, without a word.
            raise SystemExit

    def bury(self, place, worker):
        places = self.tasks.places
        state, job, index = places[place * PLACE:place * PLACE + PLACE]
        places[place * PLACE + STATE] = IDLE
        if state == TAKING and not self.took(place, job, index):
            return
        if state != IDLE:
            self.results.lost(job, index, WorkerDied(worker.pid, worker.exitcode))

    def took(self, place, job, index):
        """Whether one that ended while it took a packet had it already. Otherwise the packet is
        still there, or it has gone to another one."""
        places = self.tasks.places
        # In vain, if an idle worker waits with the lock in its hands: then there is no packet.
        if self.tasks._rlock.acquire(timeout=1):
            try:
                if self.tasks._reader.poll() and self.tasks._reader.look()[1:] == (job, index):
                    return False
            finally:
                self.tasks._rlock.release()
        return not any(
            tuple(places[other * PLACE + JOB:other * PLACE + INDEX + 1]) == (job, index)
            for other in self.workers if other != place)


def _fail(result, error):
    """Ends the wait for a result, whatever is missing of it."""
    if isinstance(result, standard.IMapIterator):
        with result._cond:
            result._items.append((False, error))
            result._index += 1
            result._length = result._index
            result._cond.notify_all()
    elif isinstance(result, standard.MapResult):
        while result._number_left > 0:
            result._set(0, (False, error))
    else:
        result._set(0, (False, error))


class Pool(standard.Pool):
    """multiprocessing.Pool; `get` of a task whose worker was killed raises `WorkerDied`."""

    @property
    def _change_notifier(self):
        return self._notifier

    @_change_notifier.setter
    def _change_notifier(self, _):
        # Only threads of this process use it, and they go on when the run has ended.
        self._notifier = queues.SimpleQueue(ctx=multiprocessing.get_context("fork"))

    def _setup_queues(self):
        # Raises when nobody listens: workers would end one after the other.
        _client.connection()
        directory = tempfile.mkdtemp(prefix="pool-", dir=_client.directory())
        util.Finalize(self, shutil.rmtree, (directory, True), exitpriority=0)
        places = self._ctx.RawArray("q", PLACE * 4096)
        self._inqueue = _Tasks(self._ctx, directory, places)
        self._outqueue = _Results(directory, places)
        self._quick_put = self._inqueue._writer.send
        self._quick_get = self._outqueue.get
        self._gone = None
        # Not a method of the pool: its threads would keep the pool alive.
        self.Process = _Places(
            self._pool, self._inqueue, self._outqueue, weakref.WeakMethod(self._give_up)).start

    def _give_up(self, gone):
        """The supervisor has ended: nothing is waited for any more."""
        self._gone = gone
        # First the thread that hands out tasks, so that nothing new comes.
        self._task_handler._state = standard.TERMINATE
        self._taskqueue.put(None)
        for worker in self._pool:
            worker.terminate()
        while self._task_handler.is_alive():
            if not self._inqueue.drop():
                time.sleep(0.01)
        # Twice, for what was asked in the same moment.
        for wait in (0, 0.1):
            time.sleep(wait)
            for job, result in list(self._cache.items()):
                try:
                    _fail(result, gone)
                except Exception:
                    pass                         # what its callback raises is not ours
                self._cache.pop(job, None)
        # The thread that collects results looks again whether any is missing.
        self._outqueue.put(None)

    def _check_running(self):
        if self._gone:
            raise self._gone
        super()._check_running()

    @classmethod
    def _terminate_pool(cls, *args):
        try:
            super()._terminate_pool(*args)
        finally:
            args[1].let_go()

    @staticmethod
    def _help_stuff_finish(inqueue, task_handler, size):
        # With the lock, as the standard does it, so that no worker takes what is left.
        inqueue.hold()
        while task_handler.is_alive() and inqueue.drop():
            time.sleep(0)
