"""The fields that mean nothing are told of the request that had them, whatever was sent before."""

import json
import random

import pytest

from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind, read
from monitor.predictions.intake.schema import Rules
from monitor.predictions.settings import PredictionSettings

EXTRAS = ["foo", "bar", "latency", "x y", "ümlaut"]
NOW = 1_795_420_800.0


@pytest.mark.parametrize("seed", range(3))
def test_a_request_is_told_of_its_own_unknown_fields_alone(seed: int) -> None:
    rng = random.Random(seed)
    settings = PredictionSettings()
    decoders, rules = FastDecoders(settings), Rules(settings, NOW)
    for number in range(1500):
        records = []
        for place in range(rng.choice([1, 1, 2, 40])):
            model = rng.choice(["m", "m", "m", "n"])
            record = {"client": "a", "model": model, "id": f"{number}-{place}", "features": {"q": 1.0}}
            extra = {name: rng.choice([None, 1, "x", [], {}]) for name in EXTRAS if rng.random() < 0.05}
            records.append(record | {"prediction": "ok"} | extra)
        form = rng.choice(["array", "lines", "one"])
        records = records[:1] if form == "one" else records
        text = "\n".join(map(json.dumps, records)) if form != "array" else json.dumps(records)
        kind = "application/x-ndjson" if form == "lines" else "application/json"
        found = read(RecordKind.PREDICTIONS, text.encode(), kind, rules, decoders)
        assert found.ignored == {name for record in records for name in record if name in EXTRAS}
        assert found.accepted == len(records)
