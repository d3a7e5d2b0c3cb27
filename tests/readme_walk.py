"""Follows the README from a fresh clone to the first own model on a page, and says how long each line took.

python -m tests.readme_walk      # as `make first-model` does; needs a package index
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2

from tests.support.ports import free_port
from tests.support.waiting import until

ROOT = Path(__file__).parent.parent
HEADING = "### Your first model on a page"
LIMIT = 300.0


def lines(port: int) -> tuple[list[str], str]:
    """The shell lines and the Python program of the README's section, for another port."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index(HEADING) :].partition("### Step by step")[0]
    shell = re.findall(r"^\$ (.*)$", section, re.M)
    program = re.search(r"```python\n(.*?)```", section, re.S)
    assert program is not None
    return shell, program[1].replace("8080", str(port))


def follow(folder: Path, shell: list[str], program: str, port: int, env: dict[str, str]) -> Iterator[str]:
    """Run the lines in `folder` as one session of bash, look at the page, and end the session's daemon."""
    waiting = f"until curl -sf http://127.0.0.1:{port}/readyz >/dev/null; do sleep .1; done"
    script = [line.replace("--no-input", f"--no-input --listen 127.0.0.1:{port}") for line in shell]
    script = [f'echo "+ $SECONDS s: {line.split()[0]}"; {line}' for line in script]
    (folder / "first_model.py").write_text(program, encoding="utf-8")
    ending = (
        "trap 'kill $(jobs -p)' EXIT"  # its daemon would go on, and hold the output open, where a line fails
    )
    text = "\n".join(
        ["set -e", ending, *script, waiting, "python first_model.py", "watchkeeper status", "echo $!"]
    )
    with subprocess.Popen(
        ["bash", "-c", text + "\nwait"],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as session:
        try:
            assert session.stdout is not None
            for line in session.stdout:
                yield line.rstrip()
                if line.strip().isdigit():
                    yield until(lambda: page(port), "the model is on its page")
                    return
            raise AssertionError("the README's lines failed")
        finally:
            os.killpg(session.pid, signal.SIGTERM)


def page(port: int) -> str:
    """The text of the client's page once it counts the predictions."""
    try:
        answer = httpx2.get(f"http://127.0.0.1:{port}/c/acme/", timeout=5)
    except httpx2.TransportError:
        return ""
    return answer.text if "269" in answer.text else ""


def main() -> int:
    """Clone, follow, and compare the time with the limit."""
    port, began = free_port(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "watchkeeper"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        for line in follow(clone, *lines(port), port, env):
            is_page = line.lstrip().lower().startswith("<!doctype")
            print("the page shows 269 predictions" if is_page else line[:400])
    took = time.monotonic() - began
    print(f"from git clone to the first own model on a page: {took:.0f} s")
    return 0 if took < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
