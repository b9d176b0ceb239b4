"""How a process ends quickly."""

import atexit
import os
import sys
from typing import NoReturn


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
