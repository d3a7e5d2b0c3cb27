"""The command line: commands, output and exit codes.

Commands import packages when they are called, so that help appears at once: the packages load numpy, Arrow and a web
server.
"""

import contextlib
import sys

from monitor.cli import output_streams
from monitor.cli.compare import compare_at_once
from monitor.cli.daemon import run_at_once
from monitor.cli.output import Exit, say
from monitor.errors import ConfigError, InputError, WatchkeeperError
from monitor.runtime.call_timeout import leave
from monitor.runtime.cpu_tuning import tune_process
from monitor.runtime.file_modes import write_privately
from monitor.runtime.imports import load_less
from monitor.runtime.logs import log_warnings_only
from monitor.visible import counted


def main() -> None:
    """Run a command. Expected errors and errors of the system become one line on stderr and an exit code."""
    load_less()
    write_privately()
    tune_process()
    output_streams.prepare()
    log_warnings_only()
    try:
        code = _reported(sys.argv[1:])
        output_streams.flush()
    except output_streams.NotWrittenError as error:
        code = Exit.NOT_WRITTEN
        with contextlib.suppress(OSError):
            if not error.nobody_reads:
                say(f"error: {error.strerror}")
        output_streams.give_up()
    leave(code)


def _reported(arguments: list[str]) -> int | str | None:
    """Run a command, print its error if it has one, and return its exit code.

    Raises:
        NotWrittenError: standard output or standard error cannot be written.
    """
    try:
        _run(arguments)
    except SystemExit as end:
        return end.code
    except ConfigError as error:
        say(f"{error}\n{counted(len(error.problems), 'error')}")
        return Exit.INVALID_CONFIG
    except WatchkeeperError as error:
        say(f"error: {error.message}" + (f"\n{error.hint}" if error.hint else ""))
        return Exit.USAGE if isinstance(error, InputError) else Exit.CANNOT_TELL
    except output_streams.NotWrittenError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"error: {where}{error.strerror or error}")
        return Exit.CANNOT_TELL
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.OK


def _run(arguments: list[str]) -> None:
    if compare_at_once(arguments) or run_at_once(arguments):
        return
    from monitor.cli.registry import app

    app()
