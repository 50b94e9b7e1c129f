"""subprocess and os: python3 py_children.py SCENARIO. Children say their role on the standard
error that they share with nobody but the parent's standard output."""
import fcntl
import os
import pty
import signal
import subprocess
import sys
import tempfile
import threading
import time

PIPE = subprocess.PIPE
# What a child runs first.
ROLE = """
import os, sys, time
os.write(2, f"role child {os.getpid()} {os.getpid()}\\n".encode())
"""


def role(name):
    os.write(1, f"role {name} {os.getpid()} {threading.get_native_id()}\n".encode())


def child(code, **files):
    return subprocess.Popen([sys.executable, "-c", ROLE + code], stderr=sys.stdout, **files)


def wait_with_unread_output():
    """wait() instead of communicate(): the child cannot write all it has to say."""
    role("parent")
    child("os.write(1, b'x' * 1_000_000)", stdout=PIPE).wait()


def read_while_child_reads():
    """The child waits for the end of its standard input, which parent never closes."""
    role("parent")
    p = child("sys.stdin.read()", stdin=PIPE, stdout=PIPE)
    p.stdout.read()


def wait_while_child_reads():
    role("parent")
    child("sys.stdin.read()", stdin=PIPE).wait()


def reader_thread_waits():
    """A thread reads the child's output; the child waits for input; main joins the thread."""
    role("parent")
    p = child("sys.stdin.read()", stdin=PIPE, stdout=PIPE)

    def read():
        role("reader")
        p.stdout.read()

    t = threading.Thread(target=read)
    t.start()
    t.join()


def lockf_and_wait():
    """The parent holds a lock of a file and waits for a child that wants it."""
    role("parent")
    with tempfile.NamedTemporaryFile() as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        child(f"import fcntl; fcntl.lockf(open({f.name!r}, 'r+'), fcntl.LOCK_EX)").wait()


# What may go on.
def ok_communicate():
    role("parent")
    child("time.sleep(600)", stdin=PIPE, stdout=PIPE).communicate()


def ok_orphan_keeps_output():
    """The child has ended; what it left behind sleeps and still has its output open."""
    role("parent")
    code = "(echo role orphan $(exec sh -c 'echo $PPID $PPID') >&2; exec sleep 600) &"
    subprocess.Popen(["bash", "-c", code], stdout=PIPE, stderr=sys.stdout).stdout.read()


def ok_run_sleep():
    role("parent")
    subprocess.run(["sleep", "600"])


def ok_wait_timeout():
    role("parent")
    child("sys.stdin.read()", stdin=PIPE).wait(600)


def ok_coprocess():
    """A helper waits for the next question, the parent for its standard input."""
    role("parent")
    child("sys.stdin.read()", stdin=PIPE, stdout=PIPE)
    sys.stdin.readline()


def ok_terminal():
    """Somebody may type: the parent reads a terminal whose other side a child has."""
    role("parent")
    master, slave = pty.openpty()
    pid = os.fork()
    if pid == 0:
        role("child")
        os.close(slave)
        os.read(master, 1)
    os.close(master)
    os.read(slave, 1)


def ok_child_of_terminal():
    role("parent")
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp("cat", ["cat"])
    os.read(fd, 1)


def ok_supervised():
    """As many supervisors: a handler of SIGCHLD, and a wait for any signal."""
    signal.signal(signal.SIGCHLD, lambda *_: None)
    role("parent")
    for _ in range(2):
        subprocess.Popen(["sleep", "600"])
    signal.pause()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
