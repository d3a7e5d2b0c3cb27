"""Vectors of texts by the static model in the wheel of WordLlama (extra `embeddings`): 256 numbers a text, no network.

The functions are plug-ins, so that the model lives in their process, of 95 MB. WordLlama's own code is not loaded: it
looks for its tokenizer where the wheel has none, and then on the network.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.errors import WatchkeeperError

_WEIGHTS, _TOKENIZER = "l2_supercat_256.safetensors", "l2_supercat_tokenizer_config.json"
_MOST_CHARACTERS = 20_000


def prepare() -> None:
    """Load the model, before the first calls are there."""
    _model()


def inputs(calls: pa.Table) -> pa.ListArray:
    """The vector of each input."""
    return _of_column(calls, "input")


def answers(calls: pa.Table) -> pa.ListArray:
    """The vector of each answer."""
    return _of_column(calls, "output")


def _of_column(calls: pa.Table, name: str) -> pa.ListArray:
    texts = calls[name].to_pylist() if name in calls.column_names else [None] * calls.num_rows
    return pa.array([text and vector(text) for text in texts], pa.list_(pa.float32()))


def vector(text: str) -> list[float] | None:
    """The mean of the vectors of a text's tokens, of length 1; None of a text without any."""
    tokenizer, weights = _model()
    tokens = tokenizer.encode(text[:_MOST_CHARACTERS], add_special_tokens=False).ids
    if not text.strip() or not tokens:
        return None
    mean = weights[tokens].astype(np.float32).mean(axis=0)
    length = float(np.linalg.norm(mean))
    return (mean / length).tolist() if length else None


@lru_cache(maxsize=1)
def _model() -> tuple[Any, npt.NDArray[np.float16]]:
    """The tokenizer, and a row of weights for each token.

    Raises:
        WatchkeeperError: the extra is not installed, or its wheel has other files.
    """
    package = find_spec("wordllama")
    if package is None or package.origin is None:
        raise WatchkeeperError(
            "the package wordllama is missing", hint="pip install 'watchkeeper[embeddings]'"
        )
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = Path(package.origin).parent
    (weights,) = load_file(folder / "weights" / _WEIGHTS).values()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / _TOKENIZER))
    tokenizer.no_padding()
    return tokenizer, weights
