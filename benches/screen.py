#!/usr/bin/env python3
"""What the screen costs, beside htop and btop: same terminal size, same refresh, same machine.

    benches/screen.py [busy|million|many] [SECONDS]

busy      16 workers that compute                 (the default)
million   1,000,000 jobs in the list, none runs
many      16 workers with 25 processes each: 400 processes below them

For each program: CPU of one core (schedstat, all threads of all its processes), PSS of all its
processes, bytes written to the terminal per second, and with ganger the time from a key to the
first byte of the new frame. Programs are measured one after the other while the same work runs.

GANGER=path/to/ganger measures another binary.
"""
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GANGER = os.environ.get("GANGER", os.path.join(ROOT, "target/release/ganger"))
WIDTH, HEIGHT = 120, 40

WORK = {
    # A loop of the shell alone would fork nothing and read nothing: pure computing.
    "busy": ("16", "foreach: {n: {range: 1..16}}", "while :; do :; done"),
    "million": ("1", "foreach: {n: {range: 1..1000000}}", "sleep 1000"),
    "many": ("16", "foreach: {n: {range: 1..16}}",
             "for i in $(seq 24); do sleep 1000 & done; wait"),
}


class Screen:
    """A program on a terminal of its own."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        os.set_blocking(self.fd, False)
        self.bytes = 0

    def read_for(self, seconds, also=()):
        """Reads what comes, from other screens too: none may stand still for want of a reader."""
        screens = {screen.fd: screen for screen in (self, *also)}
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for fd in select.select(list(screens), [], [], left)[0]:
                screens[fd].take()

    def take(self):
        try:
            data = os.read(self.fd, 1 << 16)
        except (BlockingIOError, OSError):
            return b""
        self.bytes += len(data)
        # A terminal answers what it is asked: nobody waits for that here.
        return data

    def key_ms(self, key):
        """Milliseconds from a key to the first byte of the frame that follows."""
        # Not into the middle of a frame that comes by itself.
        self.read_for(0.03)
        start = time.monotonic()
        os.write(self.fd, key)
        if not select.select([self.fd], [], [], 2)[0]:
            return None
        self.take()
        return (time.monotonic() - start) * 1000

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            self.read_for(0.1)
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                break
        os.close(self.fd)


def cpu_s(pids):
    total = 0
    for pid in pids:
        try:
            for tid in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{tid}/schedstat") as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1e9


def pss_mb(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024


def supervisors(home):
    """ganger's own processes of the run, without its jobs."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
            with open(f"/proc/{pid}/environ", "rb") as f:
                ours = f"XDG_STATE_HOME={home}".encode() in f.read()
        except OSError:
            continue
        if b"__supervise" in words and ours:
            found.append(int(pid))
    return found


def measure(name, screen, pids, seconds, keys=False, also=()):
    screen.read_for(4, also)
    before, bytes_before, start = cpu_s(pids), screen.bytes, time.monotonic()
    screen.read_for(seconds, also)
    passed = time.monotonic() - start
    cpu = (cpu_s(pids) - before) / passed * 100
    rate = (screen.bytes - bytes_before) / passed
    line = f"{name:<8} {cpu:6.2f} % of a core  {pss_mb(pids):6.1f} MB PSS  {rate:8.0f} bytes/s"
    if keys:
        times = [screen.key_ms(b"j" if i % 2 else b"k") for i in range(100)]
        times = sorted(t for t in times if t is not None)
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99) - 1]
        line += f"  key to frame p50 {p50:.1f} ms p99 {p99:.1f} ms"
    print(line, flush=True)


def main():
    which = sys.argv[1] if len(sys.argv) > 1 else "busy"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20
    workers, foreach, run = WORK[which]
    scratch = tempfile.mkdtemp(prefix="ganger-bench-")
    env = dict(os.environ, XDG_STATE_HOME=scratch, XDG_RUNTIME_DIR=scratch, HOME=scratch,
               XDG_CONFIG_HOME=scratch, TERM="xterm-256color", LANG="C.UTF-8", COLORTERM="")
    os.chmod(scratch, 0o700)
    with open(f"{scratch}/work.yaml", "w") as f:
        f.write(f"workers: {workers}\ntasks:\n  - name: work\n    {foreach}\n"
                f"    stop: {{grace: 1s}}\n    run: |\n      {run}\n")
    # Same refresh for all: one second.
    with open(f"{scratch}/btop.conf", "w") as f:
        f.write("update_ms = 1000\n")
    os.makedirs(f"{scratch}/btop", exist_ok=True)
    shutil.copy(f"{scratch}/btop.conf", f"{scratch}/btop/btop.conf")
    n = len([p for p in os.listdir("/proc") if p.isdigit()])
    print(f"{os.cpu_count()} cores, {n} processes before, {WIDTH}x{HEIGHT}, refresh 1 s, "
          f"{which}, {seconds:.0f} s each", flush=True)
    ganger = Screen([GANGER, "run", f"{scratch}/work.yaml"], env)
    try:
        ganger.read_for(3)
        if which == "million":
            os.write(ganger.fd, b"6")
        pids = [ganger.pid, *supervisors(scratch)]
        measure("ganger", ganger, pids, seconds, keys=True)
        for name, argv in (("htop", ["htop", "-d", "10"]), ("btop", ["btop", "--utf-force"])):
            if not shutil.which(name):
                print(f"{name:<8} is not installed")
                continue
            other = Screen(argv, env)
            measure(name, other, [other.pid], seconds, also=[ganger])
            other.end()
            ganger.read_for(0.2)
    finally:
        ganger.end()
        subprocess.run(["rm", "-rf", scratch], check=False)


if __name__ == "__main__":
    main()
