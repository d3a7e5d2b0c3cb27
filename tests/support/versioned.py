"""A model that has been through everything with its versions: releases, rollouts, rollbacks, registered texts."""

import json

import pyarrow as pa
from sqlalchemy import Connection

from monitor.records import Silence, Stream
from monitor.store import (
    registered_texts,
    releases,
    rollback_drills,
    rollback_stops,
    rollbacks,
    rollouts,
    silences,
)
from monitor.store.registered_texts import Canary, SystemPrompt
from monitor.store.releases import Release
from monitor.store.rollback_drills import Drill
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep, Stage, StoredCheck
from monitor.windows import baseline
from monitor.windows.baseline_from_table import from_table

DECISION = "3f9a01bc77de"


def put(connection: Connection, stream: Stream, now: float, mark: str) -> None:
    """One of each, with `mark` in every text; the decision on a rollback has the id `DECISION`."""
    silences.add(
        connection, Silence("s1", (f'client="{stream.client}"',), now - 1, now + 9999, mark, f"{mark} works")
    )
    releases.add(
        connection,
        Release(
            stream, "8", "ab" * 32, now - 900, now - 900, mark, "key 1", manifest=json.dumps({"note": mark})
        ),
    )
    one = Rollout(stream, 1, "8", "7", (Stage(5, 600), Stage(100, 600)), now - 800, mark)
    check = StoredCheck("errors", "pass", f"{mark} is well", canary=0.1, stable=0.2, unit="share")
    rollouts.start(connection, one, RolloutStep(1, now - 800, RolloutState.RUNNING, 0, 5.0, f"{mark} began"))
    rollouts.add(
        connection, one, RolloutStep(2, now - 500, RolloutState.FAILED, 0, 0.0, f"{mark} is worse", (check,))
    )
    decided = Rollback(
        stream, "8", mark, "on", DECISION, "rollback", RollbackState.SENT, "argo", "7", mark, mark, now - 400
    )
    rollbacks.add(connection, decided)
    rollback_stops.add(connection, rollback_stops.RollbackStop(stream, now - 300, mark, mark))
    step = rollback_drills.DrillStep("alert", 1.5, True, mark)
    rollback_drills.put(connection, Drill(stream, now - 700, now - 690, "passed", mark, "dry run", (step,)))
    prompt = SystemPrompt(stream.client, stream.model, mark, frozenset({1, 2}), 9, now)
    registered_texts.register_prompt(connection, prompt)
    registered_texts.add_canary(connection, Canary(stream.client, stream.model, mark, b"c" * 32, now))
    table = pa.table({f"{mark} input": [1.0, 2.0, 3.0], "prediction": ["a", "b", "a"]})
    baseline.save(connection, from_table(stream, table, now, source=mark), now)
