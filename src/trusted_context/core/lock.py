"""The one lock under which blocks are entered and left, clients installed, and contexts built."""

from __future__ import annotations

import os
import threading

# Reentrant, since a signal handler or a finaliser may enter or leave a block while this thread is doing so. The bare
# lock of C: Ctrl-C could come between the lines of a class around it, and leave it held for ever.
lock: threading.RLock = threading.RLock()

if hasattr(os, "register_at_fork"):
    # Held across a fork, so that no child is forked in the middle of a change, of an import or of OpenSSL's own set-up:
    # the thread that holds their locks would not exist in the child, and never release them there.
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
