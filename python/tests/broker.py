"""A small broker for the tests: the parts of docs/protocol.md and docs/protocol-fast.md that
the package uses, in one thread, written to be read. The broker of a run is the supervisor.

    python3 broker.py SOCKET        says "ready" when it listens
"""

import array
import collections
import heapq
import itertools
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time

from broker_memory import HOLDER, INTENT, LOOK_AGAIN_S, PID, SINCE, TAKEN, THREAD, Memory, Refused


class Later(Exception):
    """The request waits: somebody else will answer it."""


class Wait:
    """A request that has no answer yet."""

    def __init__(self, connection, number, owner, thing):
        self.connection, self.number, self.owner, self.thing = connection, number, owner, thing
        self.since, self.open, self.on_end = time.monotonic(), True, None

    def answer(self, **fields):
        if self.open:
            self.open = False
            self.connection.waits.pop(self.number, None)
            self.connection.say(type="got", id=self.number, **fields)

    def refuse(self, error, text=""):
        self.answer(ok=False, error=error, text=text)

    def end(self, error):
        """Withdraws the wait, times it out, or drops it with its connection."""
        if self.open:
            self.on_end(self, error)


class Lock:
    """Also a recursive one. `holder` is a (pid, thread)."""

    def __init__(self, broker, name, kind):
        self.broker, self.name, self.kind = broker, name, kind
        self.holder, self.count, self.since, self.died = None, 0, 0.0, False
        self.waiters, self.cell = collections.deque(), 0
        self.from_cell, self.seat = False, 0     # taken in its cell, from this seat
        self.acquisitions = 0
        self.sleepers = set()                    # of conditions: they come back for the lock
        self.pending = []                        # requests that came while the cell was not clear

    def grant(self, owner, count=1):
        self.holder, self.count, self.since, self.from_cell = owner, count, time.monotonic(), False
        self.acquisitions += 1
        died, self.died = self.died, False
        return [self.name] if died else []

    def free(self, died=False):
        """Gives it to the next who waits, or lets it lie."""
        self.holder, self.count, self.died = None, 0, self.died or died
        self.from_cell = False
        self.serve()
        self.broker.fast.give_back(self)

    def serve(self):
        while self.holder is None and self.waiters:
            wait, count, result = self.waiters.popleft()
            if wait.open:
                wait.answer(owner_died=self.grant(wait.owner, count), **result)

    def wait(self, wait, count=1, result=None):
        self.waiters.append((wait, count, result or {"ok": True}))

    def forget(self, wait):
        self.waiters = collections.deque(item for item in self.waiters if item[0] is not wait)
        if self.holder is None:
            self.broker.fast.give_back(self)

    def owner_ended(self, pid):
        if self.holder and self.holder[0] == pid:
            self.free(died=True)


class Semaphore:
    def __init__(self, broker, name, value, bounded):
        self.broker, self.name, self.kind = broker, name, "semaphore"
        self.value, self.max, self.bounded = value, value if bounded else None, bounded
        self.waiters, self.cell, self.pending, self.tied = collections.deque(), 0, [], {}

    def serve(self):
        while self.waiters and not self.waiters[0][0].open:
            self.waiters.popleft()
        while self.waiters and self.value >= self.waiters[0][1]:
            wait, n, tied = self.waiters.popleft()
            if wait.open:
                self.take(wait.owner, n, tied)
                wait.answer(ok=True)
        if not self.waiters:
            self.broker.fast.give_back(self)

    def take(self, owner, n, tied):
        self.value -= n
        if tied:
            self.tied[owner] = self.tied.get(owner, 0) + n

    def forget(self, wait):
        self.waiters = collections.deque(item for item in self.waiters if item[0] is not wait)
        self.serve()

    def owner_ended(self, pid):
        for owner in [owner for owner in self.tied if owner[0] == pid]:
            self.value += self.tied.pop(owner)
        self.serve()


class Event:
    def __init__(self, broker, name):
        self.name, self.kind, self.set, self.waiters = name, "event", False, []

    def forget(self, wait):
        self.waiters.remove(wait)


class Condition:
    def __init__(self, broker, name):
        self.broker, self.name, self.kind = broker, name, "condition"
        self.waiters = collections.deque()

    def notify(self, n):
        woken = 0
        while self.waiters and (n is None or woken < n):
            wait, lock, count = self.waiters.popleft()
            if wait.open:
                woken += 1
                self.relock(wait, lock, count, {"ok": True})
        return woken

    def relock(self, wait, lock, count, result):
        """The sleeper is awake; it answers when it has its lock."""
        awake = result.get("ok", False)
        lock.sleepers.discard(wait)

        def gone(wait, error):
            if error == "hung_up":
                wait.open = False
                lock.forget(wait)
                if awake:
                    self.notify(1)
        wait.on_end = gone
        if lock.holder is None and lock.cell not in self.broker.fast.unclear:
            wait.answer(owner_died=lock.grant(wait.owner, count), **result)
        else:
            lock.wait(wait, count, result)


class Barrier:
    def __init__(self, broker, name, parties):
        self.name, self.kind, self.parties = name, "barrier", parties
        self.waiters, self.broken, self.acting = [], False, None
        self.early = []                          # came while the action of the last round ran

    def enter(self, wait, act):
        def gone(wait, error):
            if wait in self.early:
                self.early.remove(wait)
            else:
                self.waiters.remove(wait)
                self.smash()
            if error == "hung_up":
                wait.open = False
            else:
                wait.refuse(error)
        wait.on_end = gone
        if self.acting:
            wait.act = act
            self.early.append(wait)
            return
        self.waiters.append(wait)
        if len(self.waiters) < self.parties:
            return
        last = self.waiters.pop()
        if act:
            self.acting = last.owner
            last.answer(ok=True, index=self.parties - 1, act=True)
        else:
            self.open()
            last.answer(ok=True, index=self.parties - 1)

    def open(self):
        waiters, self.waiters, self.acting = self.waiters, [], None
        for index, wait in enumerate(waiters):
            wait.answer(ok=True, index=index)
        early, self.early = self.early, []
        for wait in early:
            self.enter(wait, wait.act)

    def smash(self, for_good=True):
        self.broken, self.acting = for_good, None
        waiters, self.waiters = self.waiters + self.early, []
        self.early = []
        for wait in waiters:
            wait.refuse("broken", "`%s` is broken" % self.name)

    def owner_ended(self, pid):
        if self.acting and self.acting[0] == pid:
            self.smash()


class Queue:
    def __init__(self, broker, name, maximum, order):
        self.name, self.kind, self.max, self.order = name, "queue", maximum, order
        self.items, self.closed, self.unfinished = collections.deque(), False, 0
        self.kept, self.tickets = {}, itertools.count(1)
        self.putters, self.getters, self.joiners = collections.deque(), collections.deque(), []

    def room(self):
        return self.max is None or len(self.items) < self.max

    def serve(self):
        moved = True
        while moved:
            moved = False
            while self.putters and self.room() and not self.closed:
                putter = self.putters[0]
                if not putter.open:
                    self.putters.popleft()
                    continue
                self.items.append(putter.items.pop(0))
                self.unfinished += 1
                putter.stored += 1
                moved = True
                if not putter.items:
                    self.putters.popleft()
                    putter.answer(ok=True)
            while self.getters and self.items:
                getter = self.getters.popleft()
                if getter.open:
                    moved = True
                    self.hand(getter)
        if self.closed:
            for putter in self.putters:
                putter.refuse("closed", "`%s` is closed" % self.name)
            self.putters.clear()
            if not self.items and not self.kept:
                while self.getters:
                    self.getters.popleft().refuse("closed", "`%s` is closed" % self.name)
        if not self.unfinished:
            joiners, self.joiners = self.joiners, []
            for wait in joiners:
                wait.answer(ok=True)

    def hand(self, getter):
        items, tickets = [], []
        while self.items and len(items) < getter.n:
            items.append(self.items.popleft())
            if getter.keep:
                tickets.append(next(self.tickets))
                self.kept[tickets[-1]] = (getter.owner[0], items[-1])
        getter.answer(ok=True, items=items, **({"tickets": tickets} if getter.keep else {}))

    def owner_ended(self, pid):
        lost = [ticket for ticket, (taker, _) in self.kept.items() if taker == pid]
        for ticket in reversed(lost):
            self.items.appendleft(self.kept.pop(ticket)[1])
        self.serve()


class Connection:
    def __init__(self, broker, sock):
        self.broker, self.sock = broker, sock
        self.inbox, self.outbox, self.waits, self.known = b"", b"", {}, False
        self.fds = []
        self.pid = struct.unpack("3i", sock.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def say(self, **fields):
        self.outbox += json.dumps(fields, separators=(",", ":")).encode() + b"\n"
        self.flush()

    def flush(self):
        try:
            if self.fds and self.outbox:
                n = self.sock.sendmsg([self.outbox], [
                    (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self.fds))])
                self.outbox, self.fds = self.outbox[n:], []
            while self.outbox:
                self.outbox = self.outbox[self.sock.send(self.outbox):]
        except BlockingIOError:
            pass
        except OSError:
            self.outbox = b""
        self.broker.watch(self)

    def read(self):
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.broker.hang_up(self)
            return
        *lines, self.inbox = (self.inbox + data).split(b"\n")
        for line in lines:
            self.broker.line(self, json.loads(line))


class Broker:
    def __init__(self, path):
        self.things, self.pids, self.timers = {}, {}, []
        self.order = itertools.count()
        self.fast = Memory(self)
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(512)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def run(self):
        while True:
            wait = None
            if self.timers:
                wait = max(0.0, self.timers[0][0] - time.monotonic())
            for key, events in self.selector.select(wait):
                if isinstance(key.data, Connection):
                    if key.data.sock.fileno() < 0:
                        continue
                    if events & selectors.EVENT_WRITE:
                        key.data.flush()
                    if events & selectors.EVENT_READ:
                        key.data.read()
                else:
                    key.data()
            while self.timers and self.timers[0][0] <= time.monotonic():
                heapq.heappop(self.timers)[2]()

    def at(self, delay, do):
        heapq.heappush(self.timers, (time.monotonic() + delay, next(self.order), do))

    def accept(self):
        sock, _ = self.listener.accept()
        sock.setblocking(False)
        connection = Connection(self, sock)
        self.selector.register(sock, selectors.EVENT_READ, connection)
        self.look_after(connection.pid)

    def watch(self, connection):
        if connection.sock.fileno() >= 0:
            self.selector.modify(connection.sock, selectors.EVENT_READ |
                                 (selectors.EVENT_WRITE if connection.outbox else 0), connection)

    def hang_up(self, connection):
        if connection.sock.fileno() < 0:
            return                               # its process has ended in this very round
        self.selector.unregister(connection.sock)
        connection.sock.close()
        for wait in list(connection.waits.values()):
            wait.end("hung_up")

    def look_after(self, pid):
        if pid in self.pids:
            return
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        self.pids[pid] = fd
        self.selector.register(fd, selectors.EVENT_READ, lambda: self.process_ended(pid, fd))

    def process_ended(self, pid, fd):
        self.selector.unregister(fd)
        os.close(fd)
        del self.pids[pid]
        for key in list(self.selector.get_map().values()):
            if isinstance(key.data, Connection) and key.data.pid == pid:
                self.hang_up(key.data)
        self.bury(pid)
        for thing in list(self.things.values()):
            if hasattr(thing, "owner_ended"):
                thing.owner_ended(pid)

    def bury(self, pid):
        if not self.fast.owner_ended(pid):
            self.at(LOOK_AGAIN_S, lambda: self.bury(pid))

    def line(self, connection, message):
        if message["type"] == "hello":
            if message["protocol"] != 2:
                connection.say(type="error", error="the broker speaks protocol 2")
                return
            connection.say(type="welcome", protocol=2, run="test")
            return
        self.ask(connection, message)

    def ask(self, connection, message):
        number, op = message["id"], message["op"]
        owner = (connection.pid, message.get("thread", 0))
        wait = Wait(connection, number, owner, None)
        try:
            serve = getattr(self, "op_" + op, None)
            if serve is None:
                raise Refused("invalid", "no such op: " + op)
            for name in message.get("names") or [message.get("name"), message.get("lock")]:
                thing = self.things.get(name)
                if op not in ("list", "fast_open") and getattr(thing, "cell", 0):
                    if op == "fast_lost":
                        self.fast.lost.add(message["seat"])
                    # A holder that asks for other things has let go of it.
                    if getattr(thing, "from_cell", False) and (op == "fast_lost" or (
                            thing.holder == owner and op not in ("release", "condition_wait"))):
                        self.fast.doubt(thing)
                    if not self.fast.take_over(thing):
                        thing.pending.append((connection, message))
                        return
            result = serve(wait, message)
        except Later:
            if not wait.open:
                return
            connection.waits[number] = wait
            limit = message.get("timeout_ms")
            if limit == 0:
                wait.end("busy")
            elif limit is not None:
                self.at(limit / 1000, lambda: wait.end("timeout"))
        except Refused as error:
            connection.say(type="got", id=number, ok=False, error=error.error, text=error.text)
        else:
            connection.say(type="got", id=number, ok=True, **(result or {}))
        for name in message.get("names") or [message.get("name"), message.get("lock")]:
            thing = self.things.get(name)
            if getattr(thing, "cell", 0) and op != "list":
                self.fast.give_back(thing)

    def look_again(self, thing):
        if thing.cell not in self.fast.unclear:
            self.go_on(thing)
        elif self.fast.take_over(thing):
            self.go_on(thing)
        else:
            self.at(LOOK_AGAIN_S, lambda: self.look_again(thing))

    def go_on(self, thing):
        """The state of its cell is known again: serves who came meanwhile."""
        if isinstance(thing, Semaphore):
            thing.serve()
        elif thing.holder and thing.holder[0] not in self.pids:
            thing.free(died=True)
        elif thing.holder is None:
            thing.free()
        pending, thing.pending = thing.pending, []
        for connection, message in pending:
            if connection.sock.fileno() >= 0:
                self.ask(connection, message)
        self.fast.give_back(thing)

    def thing(self, name, kind, make):
        if name not in self.things:
            self.things[name] = make()
        thing = self.things[name]
        if not isinstance(thing, kind):
            raise Refused("wrong_kind", "`%s` is a %s" % (name, thing.kind))
        return thing

    # Locks

    def lock(self, name, kind="lock"):
        return self.thing(name, Lock, lambda: Lock(self, name, kind))

    def op_acquire(self, wait, message):
        lock = self.lock(message["names"][0], message.get("kind", "lock"))
        if lock.holder is None and not lock.waiters:
            return {"owner_died": lock.grant(wait.owner)}
        if lock.kind == "rlock" and lock.holder == wait.owner:
            lock.count += 1
            return {"owner_died": []}

        def end(wait, error):
            if error == "hung_up":
                wait.open = False
            else:
                wait.refuse(error, "`%s` is held by pid %d thread %d since %.1fs" % (
                    (lock.name,) + (lock.holder or (0, 0)) + (time.monotonic() - lock.since,)))
            lock.forget(wait)
        wait.on_end = end
        lock.wait(wait)
        raise Later

    def op_release(self, wait, message):
        lock = self.lock(message["names"][0])
        if lock.holder is None or (lock.holder != wait.owner and not message.get("anyone")):
            raise Refused("not_owner", "`%s` is not held by you" % lock.name)
        lock.count -= 1
        if lock.count == 0:
            lock.free()

    # Semaphores

    def semaphore(self, message):
        return self.thing(message["name"], Semaphore, lambda: Semaphore(
            self, message["name"], message.get("max", 1), message.get("bounded", False)))

    def op_semaphore_acquire(self, wait, message):
        semaphore, n = self.semaphore(message), message.get("n", 1)
        if semaphore.value >= n and not semaphore.waiters:
            semaphore.take(wait.owner, n, message.get("tied"))
            return

        def end(wait, error):
            if error == "hung_up":
                wait.open = False
            else:
                wait.refuse(error, "`%s` has no permit" % semaphore.name)
            semaphore.forget(wait)
        wait.on_end = end
        semaphore.waiters.append((wait, n, message.get("tied")))
        raise Later

    def op_semaphore_release(self, wait, message):
        semaphore, n = self.semaphore(message), message.get("n", 1)
        if semaphore.bounded and semaphore.value + n > semaphore.max:
            raise Refused("invalid", "`%s` has a maximum of %d" % (semaphore.name, semaphore.max))
        semaphore.value += n
        semaphore.serve()

    # Events

    def event(self, message):
        return self.thing(message["name"], Event, lambda: Event(self, message["name"]))

    def op_event_set(self, wait, message):
        event = self.event(message)
        event.set, waiters, event.waiters = True, event.waiters, []
        for waiter in waiters:
            waiter.answer(ok=True)
        return {"woken": len(waiters)}

    def op_event_clear(self, wait, message):
        self.event(message).set = False

    def op_event_is_set(self, wait, message):
        return {"is_set": self.event(message).set}

    def op_event_wait(self, wait, message):
        event = self.event(message)
        if event.set:
            return
        self.plain_wait(wait, event.waiters)

    def plain_wait(self, wait, waiters):
        def end(wait, error):
            if wait in waiters:
                waiters.remove(wait)
            if error == "hung_up":
                wait.open = False
            else:
                wait.refuse(error)
        wait.on_end = end
        waiters.append(wait)
        raise Later

    # Conditions

    def op_condition_wait(self, wait, message):
        condition = self.thing(message["name"], Condition,
                               lambda: Condition(self, message["name"]))
        lock = self.lock(message["lock"])
        if lock.holder != wait.owner:
            raise Refused("not_owner", "`%s` is not held by you" % lock.name)
        count = lock.count
        item = (wait, lock, count)

        def end(wait, error):
            condition.waiters.remove(item)
            if error == "hung_up":
                wait.open = False
                lock.sleepers.discard(wait)
                self.fast.give_back(lock)
            else:
                condition.relock(wait, lock, count, {"ok": False, "error": error})
        wait.on_end = end
        condition.waiters.append(item)
        lock.sleepers.add(wait)
        lock.free()
        raise Later

    def op_condition_notify(self, wait, message):
        condition = self.thing(message["name"], Condition,
                               lambda: Condition(self, message["name"]))
        return {"woken": condition.notify(message.get("n"))}

    # Barriers

    def barrier(self, message):
        return self.thing(message["name"], Barrier, lambda: Barrier(
            self, message["name"], message.get("parties", 1)))

    def op_barrier_wait(self, wait, message):
        barrier = self.barrier(message)
        if barrier.broken:
            raise Refused("broken", "`%s` is broken" % barrier.name)
        wait.connection.waits[wait.number] = wait
        barrier.enter(wait, message.get("act", False))
        raise Later

    def op_barrier_pass(self, wait, message):
        barrier = self.barrier(message)
        if barrier.acting != wait.owner:
            raise Refused("broken", "`%s` is broken" % barrier.name)
        barrier.open()

    def op_barrier_abort(self, wait, message):
        self.barrier(message).smash()

    def op_barrier_reset(self, wait, message):
        self.barrier(message).smash(for_good=False)

    # Queues

    def queue(self, message):
        return self.thing(message["name"], Queue, lambda: Queue(
            self, message["name"], message.get("max"), message.get("order", "fifo")))

    def op_queue_create(self, wait, message):
        self.queue(message)

    def op_queue_put(self, wait, message):
        queue = self.queue(message)
        if queue.closed:
            raise Refused("closed", "`%s` is closed" % queue.name)
        wait.items, wait.stored = list(message["items"]), 0

        def end(wait, error):
            if wait in queue.putters:
                queue.putters.remove(wait)
            if error == "hung_up":
                wait.open = False
            else:
                wait.answer(ok=False, error=error, stored=wait.stored)
        wait.on_end = end
        wait.connection.waits[wait.number] = wait
        queue.putters.append(wait)
        queue.serve()
        raise Later

    def op_queue_get(self, wait, message):
        queue = self.queue(message)
        wait.n, wait.keep = message.get("n", 1), message.get("keep", False)

        def end(wait, error):
            if wait in queue.getters:
                queue.getters.remove(wait)
            if error == "hung_up":
                wait.open = False
            else:
                wait.refuse(error)
        wait.on_end = end
        wait.connection.waits[wait.number] = wait
        queue.getters.append(wait)
        queue.serve()
        raise Later

    def op_queue_done(self, wait, message):
        queue = self.queue(message)
        tickets = message.get("tickets", [])
        n = len(tickets) or message.get("n", 1)
        if any(ticket not in queue.kept for ticket in tickets):
            raise Refused("gone", "no such ticket")
        if n > queue.unfinished:
            raise Refused("invalid", "more are done than were put")
        for ticket in tickets:
            del queue.kept[ticket]
        queue.unfinished -= n
        queue.serve()

    def op_queue_back(self, wait, message):
        queue = self.queue(message)
        for ticket in reversed(message["tickets"]):
            if ticket not in queue.kept:
                raise Refused("gone", "no such ticket")
            queue.items.appendleft(queue.kept.pop(ticket)[1])
        queue.serve()

    def op_queue_len(self, wait, message):
        queue = self.queue(message)
        return {"len": len(queue.items), "max": queue.max, "closed": queue.closed}

    def op_queue_close(self, wait, message):
        queue = self.queue(message)
        queue.closed = True
        queue.serve()

    def op_queue_join(self, wait, message):
        queue = self.queue(message)
        if queue.unfinished:
            self.plain_wait(wait, queue.joiners)

    # Giving up, and looking

    def op_withdraw(self, wait, message):
        waiting = wait.connection.waits.get(message["of"])
        for thing in self.things.values():
            for item in getattr(thing, "pending", ()):
                if item[0] is wait.connection and item[1]["id"] == message["of"]:
                    thing.pending.remove(item)
                    Wait(item[0], message["of"], wait.owner, thing).refuse("withdrawn")
                    return
        if waiting is None:
            raise Refused("gone", "no such request")
        waiting.end("withdrawn")

    def op_list(self, wait, message):
        names = message.get("names") or sorted(self.things)
        return {"entries": [self.entry(self.things[name]) for name in names if name in self.things]}

    def entry(self, thing):
        entry = {"name": thing.name, "kind": thing.kind, "holders": [], "waiters": []}
        if isinstance(thing, Lock):
            holder, since, taken = thing.holder, thing.since, thing.acquisitions
            if thing.cell:
                words = self.fast.words
                seat = words[thing.cell + HOLDER] if self.fast.is_open(thing) else 0
                taken += words[thing.cell + TAKEN]
                if seat:
                    holder = (words[seat + PID], words[seat + THREAD])
                    since = words[thing.cell + SINCE] / 1e9
            if holder:
                entry["holders"] = [{"party": {"pid": holder[0], "thread": holder[1]},
                                     "since": int(since * 1e6), "count": thing.count or 1}]
            entry["stats"] = {"acquisitions": taken}
            entry["waiters"] = [{"party": {"pid": wait.owner[0], "thread": wait.owner[1]},
                                 "since": int(wait.since * 1e6)}
                                for wait, *_ in thing.waiters if wait.open]
        elif isinstance(thing, Semaphore):
            entry["value"], entry["max"] = thing.value, thing.max
            if thing.cell:
                entry["value"] += self.fast.words[thing.cell] & 0xFFFFFFFF
        elif isinstance(thing, Event):
            entry["set"] = thing.set
        elif isinstance(thing, Barrier):
            entry.update(parties=thing.parties, waiting=len(thing.waiters) + bool(thing.acting),
                         broken=thing.broken)
        elif isinstance(thing, Queue):
            entry.update(depth=len(thing.items), capacity=thing.max, closed=thing.closed,
                         kept=len(thing.kept), waiting_getters=len(thing.getters),
                         waiting_putters=len(thing.putters))
        entry["n_waiters"] = sum(1 for item in getattr(thing, "waiters", ())
                                 if (item[0] if isinstance(item, tuple) else item).open)
        return entry

    # Shared memory

    def op_fast_attach(self, wait, message):
        wait.connection.fds = [self.fast.fd]
        return {"seat": self.fast.seat(wait.owner)}

    def op_fast_seat(self, wait, message):
        return {"seat": self.fast.seat(wait.owner)}

    def op_fast_open(self, wait, message):
        if message["kind"] == "semaphore":
            return {"cell": self.fast.open(self.semaphore(message))}
        return {"cell": self.fast.open(self.lock(message["name"], message["kind"]))}

    def op_fast_freed(self, wait, message):
        """Taking the cell over has seen to it already."""
        self.go_on(self.things[message["name"]])

    def op_fast_lost(self, wait, message):
        """A thread was interrupted in the middle of a step: it holds nothing afterwards."""
        lock = self.lock(message["name"])
        self.fast.lost.discard(message["seat"])
        self.fast.words[message["seat"] + INTENT] = 0
        if lock.holder == wait.owner:
            lock.free()


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    broker = Broker(sys.argv[1])
    print("ready", flush=True)
    broker.run()


if __name__ == "__main__":
    main()
