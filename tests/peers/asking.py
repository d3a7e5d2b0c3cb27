"""Runs a peer's script on the samples, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.peers import samples

FOLDER = Path(__file__).parent


def figures(script: str, python: str = sys.executable) -> str:
    """What the script prints."""
    asked = json.dumps({"numbers": samples.numbers(), "labels": samples.labels()})
    quiet = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "PYTHONWARNINGS": "ignore"}
    command = [python, str(FOLDER / script)]
    done = subprocess.run(
        command, input=asked, env=os.environ | quiet, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
