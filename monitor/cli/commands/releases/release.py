"""`release`: records of what was released where, by whom."""

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, put_table, say
from monitor.cli.stream_names import StreamArgument, moment, stream_of
from monitor.errors import InputError
from monitor.visible import visible

if TYPE_CHECKING:
    from monitor.releases.recording.manifest import Manifest

release = typer.Typer(
    help="Records of releases: what was released where, when and by whom.", no_args_is_help=True
)
KINDS = ("dir", "mlflow", "bom")


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(release, name="release")


@release.command("record")
def record(
    model: StreamArgument,
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[PATH]", help="What --from reads; without --from, a manifest in JSON."),
    ] = None,
    version: Annotated[str, typer.Option("--version", help="The version that the predictions name.")] = "",
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="dir: digests of the model's files; mlflow: a directory with a file MLmodel; "
            "bom: a software bill of materials (CycloneDX, JSON).",
        ),
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Who released it. Default: the current user.")] = "",
    at: Annotated[str, typer.Option("--at", help="When, such as 2026-11-20T08:00:00Z. Default: now.")] = "",
    note: Annotated[str, typer.Option("--note", help="What changed.")] = "",
    commit: Annotated[str, typer.Option("--commit", help="The revision of the code.")] = "",
    image: Annotated[str, typer.Option("--image", help="The image's digest: [name@]sha256:...")] = "",
    flag: Annotated[
        list[str] | None, typer.Option("--flag", help="Such as migration; may be repeated.")
    ] = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the manifest, for POST /v1/releases, and store nothing.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Record that a version was released. Recorded again, the same release changes nothing.

    Example: watchkeeper release record acme/fraud models/fraud --version 8 --from dir --commit 4c1e2a7
    """
    now = time.time()
    options = {"version": version, "released_by": by, "note": note}
    given: dict[str, Any] = {name: value for name, value in options.items() if value}
    given |= {"released_at": moment(at)} if at else {}
    given |= {"flags": tuple(flag)} if flag else {}
    manifest = _manifest(model, path, source, given, commit, image, now)
    if only_print:
        from monitor.releases.recording.manifest import encoded

        put(encoded(manifest))
        return
    _store(manifest, config, now)


def _manifest(
    model: str, path: Path | None, source: str, given: dict[str, Any], commit: str, image: str, now: float
) -> "Manifest":
    """The manifest that the options and what they name describe.

    Raises:
        InputError: a file cannot be read, or a value is not what its field says.
    """
    import msgspec

    from monitor.releases.recording import manifest as manifests
    from monitor.releases.recording.manifest import Manifest

    stream = stream_of(model)
    own: dict[str, Any] = {"client": stream.client, "model": stream.model}
    if path is None or source or model.count("/") == 2:  # otherwise the manifest may name another environment
        own["environment"] = stream.environment
    if source and (source not in KINDS or path is None):
        problem = f"--from {visible(source)!r} is unknown" if source not in KINDS else "PATH is missing"
        raise InputError(problem, hint="use --from dir, mlflow or bom, and name a directory or file")
    manifest = Manifest(version="", **own)
    if path is not None and not source:
        manifest = _of_file(path, own, now)
    manifest = msgspec.structs.replace(manifest, **own, **given)
    if path is not None and source:
        manifest = _described(source, path, manifest)
    if not manifest.released_by:
        manifest = msgspec.structs.replace(manifest, released_by=getpass.getuser())
    if commit:
        manifest = msgspec.structs.replace(manifest, git=manifests.Revision(commit))
    if image:
        runtime = msgspec.structs.replace(manifest.runtime, image=image)
        manifest = msgspec.structs.replace(manifest, runtime=runtime)
    if not manifest.version:
        raise InputError(
            "the version is missing", hint="add --version, with the version that predictions name"
        )
    return manifests.checked(manifest, now)


def _of_file(path: Path, own: dict[str, Any], now: float) -> "Manifest":
    """A manifest in a file; client, model and environment are those of the command."""
    import msgspec

    from monitor.releases.recording import manifest as manifests

    try:
        with path.open("rb") as file:
            content = file.read(manifests.LARGEST + 1)
        fields = msgspec.json.decode(content) if len(content) <= manifests.LARGEST else None
    except OSError as error:
        raise InputError(f"{visible(str(path))} cannot be read: {visible(str(error.strerror))}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{visible(str(path))} is not JSON: {visible(str(error))}") from error
    if not isinstance(fields, dict):
        raise InputError(
            f"{visible(str(path))} is not a manifest",
            hint="docs/ingest.md describes one; use --from for others",
        )
    fields.setdefault("version", "-")
    manifest = manifests.parse(msgspec.json.encode({**fields, **own}), now)
    return msgspec.structs.replace(manifest, version="") if manifest.version == "-" else manifest


def _described(source: str, path: Path, manifest: "Manifest") -> "Manifest":
    import msgspec

    from monitor.releases.recording import bill_of_materials, directory, mlflow_model

    if source == "mlflow":
        return mlflow_model.described(path, manifest)
    if source == "bom":
        return bill_of_materials.described(path, manifest)
    return msgspec.structs.replace(manifest, artifact=directory.artifact(path))


def _store(manifest: "Manifest", config: Path, now: float) -> None:
    import msgspec

    from monitor.cli import daemon_client, store_option
    from monitor.config.root import load
    from monitor.config.yaml import suggest
    from monitor.releases.recording.manifest import encoded
    from monitor.releases.recording.record import record as put_record

    settings = load(config)
    if settings.clients and manifest.client not in settings.clients:
        suggestion = suggest(manifest.client, settings.clients)
        raise InputError(f"client '{visible(manifest.client)}' is not configured{suggestion}")
    if (daemon := daemon_client.running(settings)) is not None:
        answer = daemon.post("releases", msgspec.json.decode(encoded(manifest)), prefix="/v1")
        is_new, digest, contradictions = (
            bool(answer["recorded"]),
            str(answer["digest"]),
            answer["contradictions"],
        )
    else:
        with store_option.made(settings).write() as connection:
            recorded = put_record(connection, manifest, "command", getpass.getuser(), now)
        is_new, digest, contradictions = recorded.is_new, recorded.release.digest, recorded.contradictions
    words = "recorded" if is_new else "known already"
    say(f"release {visible(manifest.version)} of {visible(str(manifest.stream))} is {words}")
    for name in contradictions:
        say(f"warning: another release of this version has a different {visible(str(name))}")
    put(digest)


@release.command("list")
def list_releases(
    model: StreamArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """List the releases of a model, newest first, with what contradicts them.

    Example: watchkeeper release list acme/fraud
    """
    from monitor.cli.lists import model_listing
    from monitor.config.root import load

    known = model_listing.releases(load(config), stream_of(model))
    columns = ("version", "released", "by", "digest", "source", "answered until", "contradictions")
    rows = [
        (
            visible(one.version),
            one.released_at,
            visible(one.released_by or "-"),
            one.digest[:12],
            one.source,
            one.answered_until or "-",
            visible(", ".join(one.contradictions) or "-"),
        )
        for one in known.releases
    ]
    if as_json:
        put_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        put_table(columns, rows)
        if known.unrecorded:
            say(f"answered without a record: {', '.join(visible(name) for name in known.unrecorded[-20:])}")


@release.command("show")
def show(
    model: StreamArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="As `release list` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print the manifests of one version as JSON, oldest first.

    Example: watchkeeper release show acme/fraud 8
    """
    import msgspec

    from monitor.cli.lists import model_listing
    from monitor.config.root import load

    put_json(
        [
            {
                "digest": one.digest,
                "released_at": one.released_at,
                "recorded_at": one.recorded_at,
                "recorded_by": one.recorded_by,
                "source": one.source,
                "manifest": msgspec.json.decode(one.manifest),
            }
            for one in model_listing.manifests(load(config), stream_of(model), version)
        ]
    )
