"""The connection to the run: JSON lines over the socket named by GANGER_SOCKET.

Each thread of each process has a connection of its own, because the broker tells owners apart
by process and thread, and because a wait that is interrupted must be withdrawn by the one who
waits. No thread works in the background: there is none that a fork could lose.
"""

import builtins
import json
import os
import socket
import sys
import threading
import weakref

SOCKET = "GANGER_SOCKET"
PROTOCOL = 2
ROOM = 1 << 14                                   # for answers, at first
to_json = json.JSONEncoder(separators=(",", ":")).encode
# What is longer may be sent in parts, and be cut off there by an interrupt.
SENT_AT_ONCE = 16384


class Gone(ConnectionError):
    """The supervisor of the run has ended, or none listens at GANGER_SOCKET."""


class Refused(Exception):
    """The broker says no. `error` is the word of the protocol, the message its text."""

    def __init__(self, error, text="", answer=None):
        super().__init__(text or error)
        self.error = error
        self.answer = answer or {}


class TimeoutError(builtins.TimeoutError):
    """The time of a wait was up. The message says who holds what was waited for."""


def directory():
    """Where what does not fit through the socket is put. It goes with the run."""
    path = os.environ[SOCKET] + ".d"
    os.makedirs(path, 0o700, exist_ok=True)
    return path


def active():
    """Says whether this process belongs to a run whose supervisor can be asked."""
    return bool(os.environ.get(SOCKET))


_local = threading.local()
_connections = weakref.WeakSet()


def _drop_inherited():
    # The supervisor must see the end of the parent's connections when the parent ends.
    global _local, _connections
    for connection in list(_connections):
        connection.close()
    _local = threading.local()
    _connections = weakref.WeakSet()


os.register_at_fork(after_in_child=_drop_inherited)


class Socket(socket.socket):
    """Ends with the thread or the pool that has it, without a warning."""

    def __del__(self):
        self.close()


class Connection:
    """One thread's connection."""

    def __init__(self):
        self.path = os.environ.get(SOCKET, "")
        self.thread = threading.get_native_id()
        self.answers = {}
        self.room, self.start = bytearray(ROOM), 0
        self.number = 0
        self.busy = False
        self.torn = False
        self.sock = Socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.connect(self.path)
        except OSError as error:
            self.sock.close()
            raise Gone("%s=%s: no ganger listens there (%s)" % (
                SOCKET, self.path, error.strerror or error)) from None
        _connections.add(self)
        role = {"label": os.path.basename(sys.argv[0] if getattr(sys, "argv", None) else "") or "python"}
        for field in ("job", "attempt"):
            number = os.environ.get("GANGER_" + field.upper(), "")
            if number.isdigit():
                role[field] = int(number)
        self.send_line({"type": "hello", "protocol": PROTOCOL, "role": {"client": role}})
        try:
            while "welcome" not in self.answers:
                self.pump()
        except BaseException:
            self.close()
            raise

    def close(self):
        self.sock.close()

    def gone(self, why):
        self.close()
        return Gone("the supervisor of the run has ended (%s=%s: %s)" % (SOCKET, self.path, why))

    def send_line(self, message):
        line = to_json(message).encode("ascii") + b"\n"
        try:
            if len(line) <= SENT_AT_ONCE:
                # A line of this size goes out as a whole or, interrupted, not at all.
                if self.sock.send(line) == len(line):
                    return
                self.torn = True
                raise self.gone("a line was cut off")
            self.torn = True
            self.sock.sendall(line)
            self.torn = False
        except OSError as error:
            if isinstance(error, Gone):
                raise
            try:
                # It may have said why before it hung up.
                self.pump()
            except Gone as last_words:
                raise last_words from None
            except OSError:
                pass
            raise self.gone(error.strerror or error) from None

    def pump(self):
        """Reads what has come, at least a line or a part of one.

        No line has a zero byte, and behind what has come the room is all zero. So an interrupt
        right after the call, which loses what the call returned, loses no answer: what came is
        still found."""
        room, start = self.room, self.start
        if not room[start]:
            try:
                n = self.sock.recv_into(memoryview(room)[start:-1])
            except OSError as error:
                raise self.gone(error.strerror or error) from None
            if not n:
                raise self.gone("it hung up")
        end = room.find(0, start)
        whole = room.rfind(b"\n", start, end) + 1
        for line in room[:whole].splitlines():
            self.heard(json.loads(line.decode("utf-8")))
        if whole == end:
            # In this order: what is looked at once more has just the same answers.
            self.start = 0
            room[:end] = bytes(end)
            return
        self.torn = True
        rest = room[whole:end]
        if len(rest) + 1 == len(room):
            room = self.room = rest + bytes(len(room) + 1)
        else:
            room[:end] = rest + bytes(whole)
        self.start = len(rest)
        self.torn = False

    def heard(self, answer):
        kind = answer.get("type")
        if kind == "got":
            self.answers[answer["id"]] = answer
        elif kind == "welcome":
            self.answers["welcome"] = answer
        elif kind == "error":
            raise self.gone(answer.get("error", "it refused the connection"))

    def ask(self, op, fields, got):
        self.number = number = self.number + 1
        self.busy = True
        try:
            message = {"type": "ask", "id": number, "op": op, "thread": self.thread}
            message.update(fields)
            try:
                self.send_line(message)
                while number not in self.answers:
                    self.pump()
                got.append(self.answers[number])
            except Gone:
                raise
            except BaseException:
                if not got:
                    self.give_up(number, got, until_answered=op == "condition_wait")
                raise
            return got[0]
        finally:
            self.busy = False
            self.answers.pop(number, None)

    def give_up(self, number, got, until_answered):
        """After an interrupt: ends the wait, and learns whether it was granted meanwhile."""
        if self.torn:
            self.close()
            return
        self.number = withdraw = self.number + 1
        asked = False
        while not got:
            try:
                if not asked:
                    self.send_line({"type": "ask", "id": withdraw, "op": "withdraw", "of": number})
                    asked = True
                while number not in self.answers:
                    if withdraw in self.answers:
                        # It was never sent, or its answer is one that this waits for.
                        if not (until_answered and self.answers[withdraw].get("ok")):
                            return
                    self.pump()
                got.append(self.answers[number])
                while withdraw not in self.answers:
                    self.pump()
            except KeyboardInterrupt:
                # The one that is under way already will be raised. Asking twice does no harm.
                if self.torn:
                    self.close()
                    return
            except Gone:
                return
        self.answers.pop(withdraw, None)


def connection():
    mine = getattr(_local, "connection", None)
    if mine is None or mine.sock.fileno() < 0:
        mine = _local.connection = Connection()
    if mine.busy:
        # A signal's handler or a finalizer asks in the middle of another question.
        return Connection()
    return mine


def tell(op, **fields):
    """Asks and returns the answer, whatever it says."""
    return connection().ask(op, fields, [])


def check(answer):
    if not answer.get("ok"):
        raise Refused(answer.get("error", "invalid"), answer.get("text", ""), answer)
    return answer


def ask(op, **fields):
    """Asks and returns the answer; raises `Refused` if it is a no."""
    return check(tell(op, **fields))


def milliseconds(block, timeout):
    """The fields that say how long to wait."""
    if not block:
        return {"timeout_ms": 0}
    if timeout is None:
        return {}
    if timeout <= 0:
        return {"timeout_ms": 0}
    return {"timeout_ms": min(-int(-timeout * 1000 // 1), 1 << 40)}
