"""How a process starts and ends sooner: by not tidying what stays, and not taking apart what goes."""

import atexit
import gc
import os
import sys
from typing import NoReturn

MANY = 1_000_000  # objects, about as many as all imports together make


def collect_late() -> None:
    """Let the collector wait for its first look until `MANY` objects are there; after it everything is as before.

    What imports make stays, and looking for garbage in it is a sixth of the time that they take.
    """
    usual = gc.get_threshold()
    if not 0 < usual[0] < MANY:  # 0: somebody does not want it at all
        return

    def as_usual(*_: object) -> None:
        gc.callbacks.remove(as_usual)
        if gc.get_threshold()[0] == MANY:  # nobody has set another one meanwhile
            gc.set_threshold(*usual)

    gc.callbacks.append(as_usual)
    gc.set_threshold(MANY, *usual[1:])


def leave(code: int) -> NoReturn:
    """End this process with that exit code: what is registered with atexit runs, what was printed is written.

    The interpreter itself would be taken apart for two seconds once torch is loaded. Threads are not waited for. Where
    output cannot be written the code is 120, as it would be; that its reader has gone is nothing to complain of.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream and not stream.closed:  # a process may have none
                stream.flush()
        except BrokenPipeError:
            pass
        except OSError as error:
            code = code or 120
            os.write(2, f"kdlab: {error}\n".encode())
    os._exit(code)
