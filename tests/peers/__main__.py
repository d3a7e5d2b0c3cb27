"""Makes `nannyml.json` anew: `python -m tests.peers PYTHON`."""

import sys

from tests.peers.asking import FOLDER, figures

(FOLDER / "nannyml.json").write_text(figures("nannyml_figures.py", sys.argv[1]) + "\n", encoding="utf-8")
