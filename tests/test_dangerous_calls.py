"""Nothing that came in is run, unpickled or made a template or a statement, and nobody guesses what was drawn."""

import ast
import re
from pathlib import Path

import pytest

FOUND = re.compile(
    r"\b(shell|system|popen|getoutput|getstatusoutput|eval|exec|compile|__import__|pickle|Unpickler|marshal|shelve|"
    r"load_module|from_string|Template|random|md5|sha1|allow_pickle|exec_driver_sql)\b"
)
NEVER = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "marshal.load",
    "marshal.loads",
    "shelve.open",
    "pickle.Unpickler",
    "hashlib.md5",
    "hashlib.sha1",
    "jinja2.Template",
    "Template",
}
UNPICKLING = {
    "monitor/childprocess/child.py",
    "monitor/childprocess/fork.py",
    "monitor/childprocess/pipes.py",
    "monitor/childprocess/resident_child.py",
    "monitor/childprocess/runner.py",
    "monitor/workers/sent_measurements.py",
}
"""Both ends are processes of the daemon."""
GUESSABLE = {
    "monitor/demo/assistant/application.py",
    "monitor/demo/assistant/assistant.py",
    "monitor/demo/rollout.py",
    "monitor/demo/serving.py",
    "monitor/notify/delivery/worker.py",
    "monitor/relay/forwarding.py",
}
"""Traffic of the demonstration, and waits before retries."""


STATEMENTS = {
    "monitor/sources/sql/read_only.py",
    *(
        f"monitor/store/{name}.py"
        for name in ("audit", "db", "erasing", "migrate", "restore", "temporary_database")
    ),
}
"""Their statements have numbers and names of our own tables in them: no text that came in."""


def calls_in(path: str, text: str) -> set[str]:
    """What a module calls or imports that only some may, in words."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            is_made = bool(node.args) and isinstance(node.args[0], ast.JoinedStr | ast.BinOp)
            if is_made and name.endswith("exec_driver_sql") and path not in STATEMENTS:
                found.add(name)
            if name in NEVER or name.endswith(".from_string"):
                found.add(name)
            if name in ("pickle.load", "pickle.loads") and path not in UNPICKLING:
                found.add(name)
            for keyword in node.keywords:
                is_false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg in ("shell", "allow_pickle") and not is_false:
                    found.add(keyword.arg)
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if "random" in names and path not in GUESSABLE:
            found.add("random")
        if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "os", "subprocess", "hashlib"):
            found |= {alias.name for alias in node.names} & {
                "load",
                "loads",
                "system",
                "popen",
                "md5",
                "sha1",
            }
    return found


def test_law_no_text_is_run_unpickled_or_made_a_template_and_no_secret_can_be_guessed() -> None:
    found = {}
    for path in Path("monitor").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if FOUND.search(text) and (calls := calls_in(path.as_posix(), text)):
            found[path.as_posix()] = calls
    assert found == {}
    assert all(Path(path).exists() for path in UNPICKLING | GUESSABLE | STATEMENTS)


@pytest.mark.parametrize(
    "text",
    [
        "subprocess.run(order, shell=True)",
        "subprocess.Popen(order, shell=is_short)",
        "os.system(order)",
        "from os import system",
        "eval(text)",
        "pickle.loads(body)",
        "from pickle import loads",
        "numpy.load(body, allow_pickle=True)",
        "environment.from_string(text)",
        "import random",
        "from random import choice",
        "hashlib.md5(key)",
        "connection.exec_driver_sql(f'SELECT {name}')",
        "connection.exec_driver_sql('SELECT ' + name)",
    ],
)
def test_each_such_call_is_found(text: str) -> None:
    assert FOUND.search(text)
    assert calls_in("monitor/web/new.py", text)
