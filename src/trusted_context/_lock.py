"""The one lock under which blocks are entered and left, clients installed, and contexts built."""

from __future__ import annotations

import os
import threading


class _Lock:
    """A reentrant lock that is held across a fork, and new in the child.

    A child is never born in the middle of a change, of an import or of OpenSSL's own set-up, of which another thread
    would hold the lock that nobody is left to release. Reentrant, since a signal handler or a finaliser may enter or
    leave a block while this thread is doing so.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def acquire(self) -> None:
        self._lock.acquire()

    def release(self) -> None:
        self._lock.release()

    def renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_exception: object) -> None:
        self._lock.release()


lock = _Lock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.renew)
