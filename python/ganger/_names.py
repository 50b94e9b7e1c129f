"""Names of what has none: the line that made it, and what makes it unique."""

import itertools
import os
import re
import sys

# Frames in here are not what people look for when they ask who made a lock.
_LIBRARIES = ("ganger", "multiprocessing", "concurrent")
_OTHER = re.compile(r"[^A-Za-z0-9_.:/-]")

_count = itertools.count(1)
_process = ""


def _forget():
    global _process
    _process = ""


os.register_at_fork(after_in_child=_forget)


def of_creator():
    """`file:line:process-number` of the nearest frame that is nobody's library."""
    global _process
    if not _process:
        # The pid alone would come round again in a long run.
        _process = "%d.%s" % (os.getpid(), os.urandom(3).hex())
    frame = sys._getframe(1)
    while frame.f_back is not None:
        module = frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] not in _LIBRARIES:
            break
        frame = frame.f_back
    file = os.path.basename(frame.f_code.co_filename) or "python"
    file = _OTHER.sub("_", file)[-100:].lstrip(".:/-") or "_"
    return "%s:%d:%s-%d" % (file, frame.f_lineno, _process, next(_count))
