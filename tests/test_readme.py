"""The README's way to the first own model works, with this environment instead of a new one."""

import os
import sys
from pathlib import Path

from tests.readme_walk import ROOT, follow, lines
from tests.support.ports import free_port


def test_the_first_model_is_on_a_page_after_the_lines_of_the_readme(tmp_path: Path) -> None:
    port = free_port()
    shell, program = lines(port)
    assert len(program.strip().splitlines()) <= 10
    kept = [line for line in shell if line.startswith("watchkeeper ")]
    assert len(shell) - len(kept) == 2, "what installs is not repeated here"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}"}
    *told, page = follow(tmp_path, kept, program, port, env)
    assert any("acme/cancer/production" in line for line in told), told
    assert "Cancer" in page
    assert (tmp_path / "var" / "watchkeeper.db").exists()
