"""Read by every kernel that tests start (PYTHONSTARTUP): it ends at once, not after two seconds of tidying up."""

import atexit
import os

atexit.register(os._exit, 0)
