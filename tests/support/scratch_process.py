"""A process with a scratch database, until it is killed: `python -m tests.support.scratch_process URL FILE`.

The URL of its database is written to the file.
"""

import signal
import sys
from pathlib import Path

from monitor.store.db import Store
from monitor.store.temporary_database import scratch

with scratch(Store(sys.argv[1])) as made:
    Path(sys.argv[2]).write_text(made.store.url.render_as_string(hide_password=False))
    signal.pause()
