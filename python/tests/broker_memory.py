"""The tests' broker's side of docs/protocol-fast.md: locks and semaphores in shared memory, and
when the table takes them over."""

import array
import ctypes
import mmap
import os

CELLS, SEATS = 16384, 4096
HEADER, CELL, SEAT = 64, 8, 8                    # words of 8 bytes
CLOSED, HOLDER, SINCE, TAKEN = 4, 5, 6, 7        # words of a cell, behind the semaphore
INTENT, PID, THREAD = 0, 1, 2                    # words of a seat
LOOK_AGAIN_S = 0.001
MANY = 4096


class Refused(Exception):
    def __init__(self, error, text=""):
        super().__init__(error, text)
        self.error, self.text = error, text


class Memory:
    """Locks and semaphores in shared memory, and when the table takes them over."""

    def __init__(self, broker):
        self.broker = broker
        words = HEADER + CELLS * CELL + SEATS * SEAT
        self.fd = os.memfd_create("ganger-fast")
        os.ftruncate(self.fd, words * 8)
        self.memory = mmap.mmap(self.fd, words * 8)
        self.words = memoryview(self.memory).cast("Q")
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        libc = ctypes.PyDLL(None)
        self.try_take, self.post = libc.sem_trywait, libc.sem_post
        self.nowhere = (ctypes.c_uint64 * 4)()
        self.fence = ctypes.c_void_p(ctypes.addressof(self.nowhere))
        self.next_cell = HEADER
        self.next_seat = HEADER + CELLS * CELL
        self.free_seats, self.seats = [], {}     # seat: pid
        self.words[0:8] = memoryview(array.array("Q", [
            0x54534146474E4147, 1, HEADER, CELL, CELLS, self.next_seat, SEAT, SEATS]))
        self.unclear = set()
        self.lost = set()                        # seats whose threads wait for `fast_lost`

    def sem(self, cell):
        return ctypes.c_void_p(self.base + cell * 8)

    def seat(self, owner):
        if self.free_seats:
            seat = self.free_seats.pop()
        elif self.next_seat < len(self.words):
            seat, self.next_seat = self.next_seat, self.next_seat + SEAT
        else:
            raise Refused("too_large", "all seats are taken")
        self.words[seat + INTENT], self.words[seat + PID] = 0, owner[0]
        self.words[seat + THREAD] = owner[1]
        self.seats[seat] = owner[0]
        return seat

    def open(self, thing):
        if not thing.cell:
            if getattr(thing, "value", 0) > MANY:
                # There is no fetch_add in Python, and posting this often takes too long.
                raise Refused("too_large", "too many permits")
            if self.next_cell >= HEADER + CELLS * CELL:
                raise Refused("too_large", "all cells are taken")
            thing.cell, self.next_cell = self.next_cell, self.next_cell + CELL
            self.words[thing.cell + CLOSED] = 1
            self.words[2] = self.next_cell
            self.give_back(thing)
        return thing.cell

    def is_open(self, thing):
        return thing.cell and not self.words[thing.cell + CLOSED]

    def give_back(self, thing):
        """From the table to shared memory, when nobody waits and nobody must be told a thing."""
        if (not thing.cell or thing.waiters or thing.pending or thing.cell in self.unclear
                or self.is_open(thing)):
            return
        if thing.kind != "semaphore":
            if thing.holder or thing.died or thing.sleepers:
                return
            n = 1
        else:
            n, thing.value = thing.value, 0
        self.words[thing.cell + HOLDER] = 0
        self.words[thing.cell + CLOSED] = 0
        for _ in range(n):
            self.post(self.sem(thing.cell))

    def collect(self, thing):
        n = 0
        while self.try_take(self.sem(thing.cell)) == 0:
            n += 1
        return n

    def take_over(self, thing, dead=()):
        """From shared memory to the table. False: somebody is in the middle of a step."""
        words, cell = self.words, thing.cell
        fresh = self.is_open(thing)
        words[cell + CLOSED] = 1
        self.post(self.fence)                    # all see this before anything is looked at
        self.try_take(self.fence)
        if thing.kind == "semaphore":
            thing.value += self.collect(thing)
            return True
        if not fresh and cell not in self.unclear:
            if thing.from_cell and words[cell + HOLDER] not in (0, thing.seat):
                self.doubt(thing)
            elif self.collect(thing) and thing.from_cell:
                # Who let go of it just before it was closed posted too late.
                thing.holder, thing.from_cell = None, False
                thing.serve()
                return True
            else:
                return True
        for _ in range(2):                       # docs/protocol-fast.md says why twice
            if self.collect(thing):
                self.unclear.discard(cell)
                thing.holder, thing.from_cell = None, False
                return True
            holder = words[cell + HOLDER]
            under_way = [seat for seat in self.seats if words[seat + INTENT] == cell
                         and seat not in dead and seat not in self.lost]
            holder = words[cell + HOLDER] or holder
            if holder:
                self.unclear.discard(cell)
                thing.holder = (words[holder + PID], words[holder + THREAD])
                thing.count, thing.from_cell, thing.seat = 1, True, holder
                thing.since = words[cell + SINCE] / 1e9
                return True
            if under_way:
                self.look_again_at(thing)
                return False
        self.unclear.discard(cell)               # it went with one that ended
        thing.holder, thing.died = None, thing.died or not self.lost
        return True

    def doubt(self, thing):
        """A holder that the table has from a cell may have let go of it in the cell, and another
        one that had looked before it was closed may have taken it there."""
        thing.holder, thing.from_cell = None, False
        self.look_again_at(thing)

    def look_again_at(self, thing):
        """Nothing tells the broker when a step is over, so it looks again soon."""
        if thing.cell not in self.unclear:
            self.unclear.add(thing.cell)
            self.broker.at(LOOK_AGAIN_S, lambda: self.broker.look_again(thing))

    def owner_ended(self, pid):
        dead = {seat for seat, owner in self.seats.items() if owner == pid}
        if not dead:
            return True
        clear = True
        for thing in list(self.broker.things.values()):
            cell = getattr(thing, "cell", 0)
            if not cell:
                continue
            if getattr(thing, "from_cell", False) and thing.seat in dead:
                self.doubt(thing)
            touched = thing.kind == "semaphore" or self.words[cell + HOLDER] in dead or any(
                self.words[seat + INTENT] == cell for seat in dead)
            if touched or cell in self.unclear or thing.pending or thing.waiters:
                if self.take_over(thing, dead):
                    self.broker.go_on(thing)
                else:
                    clear = False
        if clear:
            self.lost -= dead
            for seat in dead:
                del self.seats[seat]
                self.words[seat + INTENT] = self.words[seat + PID] = 0
                self.free_seats.append(seat)
        return clear
