"""What the tests share: a run of ganger, and children that say where they are."""

import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [path for path in (os.path.dirname(HERE), HERE) if path not in sys.path]

import ganger  # noqa: E402
from ganger import _client, _fast  # noqa: E402

METHODS = os.environ.get("GANGER_TEST_METHODS", "fork spawn forkserver").split()
TOO_LONG_S = 30


def ganger_binary():
    """GANGER, else what was built here last, else the one on PATH."""
    if os.environ.get("GANGER"):
        return os.environ["GANGER"]
    target = os.path.join(os.path.dirname(os.path.dirname(HERE)), "target")
    built = [os.path.join(target, kind, "ganger") for kind in ("debug", "release")]
    built = [path for path in built if os.path.exists(path)]
    return max(built, key=os.path.getmtime) if built else "ganger"


class Run:
    """A `ganger run` with one job, which does nothing but be there as long as this process is."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="ganger-test-")
        said, lifeline, file = (
            os.path.join(self.directory.name, name) for name in ("said", "lifeline", "run.yaml"))
        os.mkfifo(said)
        os.mkfifo(lifeline)
        with open(file, "w") as task_file:
            task_file.write(STAND % (said, lifeline))
        self.places = dict(XDG_STATE_HOME=self.directory.name,
                           XDG_RUNTIME_DIR=self.directory.name)
        self.process = subprocess.Popen(
            [ganger_binary(), "run", file, "--plain"], env=dict(os.environ, **self.places),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        with open(said) as mouth:
            self.path = mouth.readline().rstrip("\n")
        # The job reads from here until nobody can write: it ends with this process, however.
        self.lifeline = open(lifeline, "w")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.lifeline.close()
        self.process.wait()
        self.directory.cleanup()


STAND = """tasks:
  - name: stand
    run: |
      echo "$GANGER_SOCKET" > %s
      exec cat %s
"""


class Broker:
    """The run in GANGER_SOCKET if there is one, else one of its own."""

    def __init__(self):
        self.run = None
        if not os.environ.get(_client.SOCKET):
            self.run = Run()
            os.environ[_client.SOCKET] = self.run.path
            self.before = {name: os.environ.get(name) for name in self.run.places}
            # Where the verbs of the command line look for the run.
            os.environ.update(self.run.places)

    def stop(self):
        if self.run:
            self.run.stop()
            del os.environ[_client.SOCKET]
            for name, value in self.before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def forget_run():
    """This process never spoke with a broker."""
    _client._drop_inherited()
    _fast.words, _fast._off = None, False
    _fast._after_fork()


class Child:
    """A process that runs `function(say, *args)`."""

    def __init__(self, method, function, *args):
        plain = multiprocessing.get_context(method)
        self.ear, mouth = plain.Pipe(duplex=False)
        self.process = ganger.get_context(method).Process(
            target=_child, args=(function, mouth) + args)
        self.process.start()
        mouth.close()

    def hears(self, timeout=TOO_LONG_S):
        if not self.ear.poll(timeout):
            raise AssertionError("the child says nothing")
        return self.ear.recv()

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    def ends(self, timeout=TOO_LONG_S):
        self.process.join(timeout)
        if self.process.exitcode is None:
            self.kill()
            raise AssertionError("the child hangs")
        return self.process.exitcode


def _child(function, mouth, *args):
    # Not faulthandler's timer: its thread does not survive a fork.
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(TOO_LONG_S)
    function(mouth.send, *args)
    mouth.close()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        forget_run()
        cls.broker = Broker()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()
        forget_run()

    def setUp(self):
        faulthandler.dump_traceback_later(3 * TOO_LONG_S, exit=True)
        self.children = []

    def tearDown(self):
        for child in self.children:
            if child.process.exitcode is None:
                child.kill()
            child.ear.close()
        faulthandler.cancel_dump_traceback_later()

    def child(self, function, *args, method="fork"):
        self.children.append(Child(method, function, *args))
        return self.children[-1]

    def until(self, true, what):
        """Waits for something that the broker is about to notice."""
        end = time.monotonic() + TOO_LONG_S
        while not true():
            if time.monotonic() > end:
                raise AssertionError("not in time: " + what)
            time.sleep(0.002)

    def waiting(self, name, n=1):
        self.until(lambda: sum(entry["n_waiters"] for entry in ganger.table(name)) >= n,
                   "%d wait for %s" % (n, name))


def each_method(function):
    """Runs a test under each start method."""
    def test(self):
        for method in METHODS:
            with self.subTest(method=method):
                function(self, ganger.get_context(method), method)
    test.__name__ = function.__name__
    return test
