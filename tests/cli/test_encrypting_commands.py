"""A daemon on an encrypted store, and the commands that encrypt, check and decrypt it: nothing stolen speaks."""

from pathlib import Path

from tests.support.daemon import Daemon
from tests.support.fork_server import watchkeeper
from tests.support.traffic import prediction, send

KEY = "a1" * 32
PLANTED = (b"secretive", b"person-4711", b"ADA LOVELACE", b"CREATE TABLE")


def stolen(folder: Path, leaving: set[Path]) -> set[bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path not in leaving]
    content = b"".join(path.read_bytes() for path in files)
    return {text for text in PLANTED if text in content}


def test_from_a_plain_daemon_to_an_encrypted_one(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    daemon = Daemon(tmp_path, "notify: {console: false}\n")
    plain = daemon.config.read_text()

    def run(*words: str) -> tuple[int, str]:
        done = watchkeeper(*words, "-c", str(daemon.config))
        return done.returncode, done.stdout + done.stderr

    hers = prediction(client="secretive", id="person-4711", features={"name": "ADA LOVELACE", "n": 1.0})
    with daemon:
        send(daemon, [hers, {**hers, "timestamp": "never"}])
        daemon.config.write_text(plain.replace("store: {", f'store: {{key: "${{file:{tmp_path}/key}}", '))
        code, told = run("store", "encrypt")
        assert (code, "another process uses" in told) == (4, True), told
    code, told = run("status")
    assert (code, "watchkeeper store encrypt" in told) == (4, True), told
    assert run("store", "encrypt")[0] == 0
    with daemon:
        send(daemon, [{**hers, "id": "person-4711-b"}])
        assert run("store", "check") == (0, "✔ encrypted, no damage found\n")
        assert "secretive/fraud" in run("status")[1]
        assert run("backup", str(tmp_path / "copy"))[0] == 0
        assert stolen(tmp_path, {daemon.config}) == set(), "while it runs, with its log"
    assert stolen(tmp_path, {daemon.config}) == set()
    assert KEY not in daemon.said()
    (tmp_path / "key").write_text("b2" * 32)
    code, told = run("status")
    assert (code, "store.key is not the key of the database" in told) == (4, True), told
    (tmp_path / "new").write_text("c3" * 32)
    (tmp_path / "bad").write_text("secret")
    (tmp_path / "key").write_text(KEY)
    assert run("store", "rekey", str(tmp_path / "bad"))[0] == 2
    assert run("store", "rekey", str(tmp_path / "new"))[0] == 0
    (tmp_path / "key").write_text("c3" * 32)
    assert run("store", "decrypt")[0] == 0
    daemon.config.write_text(plain)
    code, told = run("quarantine")
    assert (code, "person-4711" in told) == (0, True), told
