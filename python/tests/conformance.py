"""Runs CPython's own tests of multiprocessing against ganger's context.

    python3.11 tests/conformance.py [fork] [spawn] [forkserver] [-k NAME] [-v]

needs CPython's test package (Debian: libpython3-testsuite). In a job of `ganger run` it tests
against that run, else it starts one. Exits 1 if a test failed. Children unpickle the test classes
from this module by its name, so the tests run in a process that imports it, and what it is to do
travels in the environment.
"""

import os
import subprocess
import sys
import time
import unittest

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
METHOD = "GANGER_CONFORMANCE"
METHODS = ["fork", "spawn", "forkserver"]
CLASSES = ["_TestLock", "_TestSemaphore", "_TestCondition", "_TestEvent", "_TestBarrier",
           "_TestQueue", "_TestValue", "_TestArray", "_TestPool", "_TestPoolWorkerErrors"]
# These call multiprocessing.Queue by its name, and so would test CPython.
LEFT_OUT = ["test_timeout", "test_no_import_lock_contention",
            "test_queue_feeder_on_queue_feeder_error", "test_closed_queue_put_get_exceptions"]


def install(method):
    sys.path.insert(0, os.path.dirname(HERE))
    import ganger
    from test import _test_multiprocessing as suite

    context = ganger.get_context(method)

    class GangerMixin(suite.ProcessesMixin):
        # TYPE stays "processes": with another one tests skip and check less.
        Process = context.Process

    for name in ("Pool Queue JoinableQueue Lock RLock Semaphore BoundedSemaphore Condition Event "
                 "Barrier Value Array").split():
        setattr(GangerMixin, name, staticmethod(getattr(context, name)))

    everything = {"__name__": __name__}
    suite.install_tests_in_module_dict(everything, method)
    for name in ("setUpModule", "tearDownModule"):
        globals()[name] = everything[name]
    for name in CLASSES:
        base = getattr(suite, name)
        members = {"__module__": __name__, "__qualname__": "Ganger" + name}
        if name == "_TestQueue":
            members.update((test, None) for test in LEFT_OUT)
        globals()["Ganger" + name] = type(
            "Ganger" + name, (base, GangerMixin, unittest.TestCase), members)


if os.environ.get(METHOD):
    install(os.environ[METHOD])


def run_one(arguments):
    """In the process that runs the tests of one start method."""
    program = unittest.main(module="conformance", argv=["conformance"] + arguments, exit=False)
    result = program.result
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    print("%s: %d passed, %d failed, %d skipped" % (
        os.environ[METHOD], result.testsRun - failed - len(result.skipped), failed,
        len(result.skipped)), flush=True)
    os._exit(1 if failed else 0)


def main(arguments):
    methods = [argument for argument in arguments if argument in METHODS] or METHODS
    arguments = [argument for argument in arguments if argument not in METHODS]
    failed = False
    broker = harness.Broker()
    try:
        for method in methods:
            environment = dict(os.environ, PYTHONPATH=os.pathsep.join(
                [HERE, os.path.dirname(HERE), os.environ.get("PYTHONPATH", "")]))
            environment[METHOD] = method
            began = time.monotonic()
            status = subprocess.call(
                [sys.executable, "-c", "import sys, conformance; "
                 "conformance.run_one(sys.argv[1:])"] + arguments, env=environment)
            print("%s: ended with %d after %.0f s" % (method, status, time.monotonic() - began))
            failed = failed or status != 0
    finally:
        broker.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
