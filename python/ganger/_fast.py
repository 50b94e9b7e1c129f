"""Locks and semaphores in memory that the broker shares: nobody is asked while nobody waits.

docs/protocol-fast.md has the layout of the memory and the order of the steps, and why a kill
between any two of them leaves no lock without an owner. This file and `synchronize.py` must keep
to that order.
"""

import array
import json
import mmap
import os
import platform
import socket
import sys
import threading

from . import _client

# Words of 8 bytes. The header has 64, a cell and a seat 8 each.
CLOSED, HOLDER, SINCE, TAKEN = 4, 5, 6, 7        # words of a cell, behind its semaphore
THREAD = 2                                       # word of a seat; its first is the intent
MAGIC, VERSION = 0x54534146474E4147, 2
OFF = "GANGER_NO_FAST"                           # set to have everything asked over the socket


class _Local(threading.local):
    seat = 0                                     # -1: none to be had
    keeper = None

    def __init__(self):
        self.held = []                           # locks that it has, in the order of taking


class _Keeper:
    """Gives a thread's seat to another one when the thread ends, unless it still holds a lock:
    that one stays with the seat, for another thread may release it."""

    seat = pid = 0

    def __init__(self, seat):
        self.pid = os.getpid()
        self.seat = seat

    def __del__(self, getpid=os.getpid, holder=64 + HOLDER):
        # When the interpreter ends, `words` and `_free` are none.
        if words is not None and _free is not None and self.pid == getpid() and self.seat:
            if self.seat not in words[holder:words[2]:8].tolist():
                _free.append(self.seat)


local = _Local()
words = take = post = None
_base = 0
_off = False
_free = []
_attaching = threading.Lock()


def _after_fork():
    # The memory is inherited, the seats are the parent's.
    global _attaching
    _attaching = threading.Lock()
    del _free[:]
    local.seat, local.keeper = 0, None
    del local.held[:]


os.register_at_fork(after_in_child=_after_fork)


def _semaphores():
    """The C library's sem_trywait and sem_post, if they work as the broker takes for granted.

    It looks at a semaphore as a number of 32 bits, which is how 64-bit Linux libraries store it;
    and the order of the steps needs a processor that keeps stores in order."""
    if platform.machine() not in ("x86_64", "AMD64") or sys.maxsize < 1 << 32:
        return None
    try:
        import ctypes
        library = ctypes.PyDLL(None)
        trywait, sem_post = library.sem_trywait, library.sem_post
    except (ImportError, OSError, AttributeError):
        return None
    probe = (ctypes.c_uint32 * 16)()
    place = ctypes.c_void_p(ctypes.addressof(probe))
    probe[0] = 1
    if (trywait(place) == 0 and probe[0] == 0 and trywait(place) != 0 and probe[0] == 0
            and sem_post(place) == 0 and probe[0] == 1 and not any(probe[1:])):
        return trywait, sem_post
    return None


def _attach():
    """Maps the memory, and returns this thread's seat. The memory comes as a file descriptor, so
    a connection of its own is used, whose lines nothing else reads."""
    global words, take, post, _base, _map
    import ctypes
    functions = _semaphores()
    if functions is None:
        return -1
    connection = _client.Connection()
    try:
        connection.send_line({"type": "ask", "id": 1, "op": "fast_attach",
                              "thread": connection.thread})
        line, fds = b"", array.array("i")
        while not line.endswith(b"\n"):
            data, notes, _, _ = connection.sock.recvmsg(4096, socket.CMSG_SPACE(4 * fds.itemsize))
            if not data:
                return -1
            line += data
            for level, kind, note in notes:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(note[:len(note) - len(note) % fds.itemsize])
        answer = json.loads(line.decode("utf-8"))
        if not answer.get("ok") or not fds:
            return -1
        _map = mmap.mmap(fds[0], os.fstat(fds[0]).st_size)
    finally:
        connection.close()
        for fd in locals().get("fds", ()):
            os.close(fd)
    mapped = memoryview(_map).cast("Q")
    if mapped[0] != MAGIC or mapped[1] != VERSION:
        return -1
    _base = ctypes.addressof(ctypes.c_char.from_buffer(_map))
    (take, post), words = functions, mapped
    return answer["seat"]


def sit():
    """Finds a seat for this thread: its number, or -1 if everything must go over the socket."""
    global _off
    if local.seat == 0:
        seat = -1
        with _attaching:
            if words is None and not _off:
                if os.environ.get(OFF):
                    _off = True
                else:
                    seat = _attach()
                    _off = seat < 0
            elif words is not None:
                try:
                    seat = _free.pop()
                    words[seat + THREAD] = threading.get_native_id()
                except IndexError:
                    answer = _client.tell("fast_seat")
                    seat = answer["seat"] if answer.get("ok") else -1
        if seat > 0:
            local.keeper = _Keeper(seat)
        local.seat = seat
    return local.seat


def open_cell(name, kind, fields):
    """The cell of a name, and its semaphore; (-1, None) if it has none."""
    if sit() < 0:
        return -1, None
    answer = _client.tell("fast_open", name=name, kind=kind, **fields)
    if not answer.get("ok"):
        if answer.get("error") == "wrong_kind":
            _client.check(answer)
        return -1, None
    return answer["cell"], semaphore(answer["cell"])


def semaphore(cell):
    import ctypes
    return ctypes.c_void_p(_base + cell * 8)


def hold_times(cell):
    """The first word of those that count for how long a cell was held."""
    return words[8] + (cell - 64) // 8 * words[9]
