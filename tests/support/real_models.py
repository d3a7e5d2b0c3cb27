"""Six scikit-learn models of different kinds, with their training files, live traffic, and ways to break them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine, make_friedman1
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

ROWS = 3000
"""Rows of a training file, and of the pool that live traffic is drawn from."""
SUBJECTS = {
    "billing": [
        "invoice",
        "charged",
        "refund",
        "payment",
        "card",
        "twice",
        "amount",
        "receipt",
        "bank",
        "fee",
    ],
    "delivery": [
        "parcel",
        "late",
        "courier",
        "address",
        "tracking",
        "package",
        "arrived",
        "broken",
        "door",
        "week",
    ],
    "account": [
        "password",
        "login",
        "email",
        "reset",
        "locked",
        "username",
        "profile",
        "delete",
        "security",
        "code",
    ],
}
FILLER = [
    "hello",
    "please",
    "i",
    "my",
    "the",
    "a",
    "is",
    "was",
    "and",
    "it",
    "with",
    "about",
    "help",
    "thanks",
    "today",
    "again",
    "order",
]


@dataclass(frozen=True, slots=True)
class RealModel:
    """A fitted model.

    `training` has its inputs with the `prediction`, `confidence` and `truth` of each row. `live` are inputs of the same
    distribution, and `truth` their true answers. `important` are its numeric inputs, the one that moves its answers
    most first.
    """

    name: str
    estimator: Any
    training: pd.DataFrame
    live: pd.DataFrame
    truth: np.ndarray
    important: tuple[str, ...]

    @property
    def unlike(self) -> str:
        """The input whose mean is the farthest from that of the most important one."""
        first = self.live[self.important[0]]
        return max(
            self.important[1:], key=lambda name: abs(self.live[name].mean() - first.mean()) / first.std()
        )

    @property
    def has_unlike_inputs(self) -> bool:
        """Whether most values of that input are ones that the most important one never has."""
        first, other = self.training[self.important[0]], self.live[self.unlike]
        return bool(((other < first.min()) | (other > first.max())).mean() > 0.5)

    def answers(self, inputs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray | None]:
        """Its predictions, and the confidence in each where it is a classifier."""
        if not is_classifier(self.estimator):
            return self.estimator.predict(inputs), None
        shares = self.estimator.predict_proba(inputs)
        return self.estimator.classes_[shares.argmax(axis=1)], shares.max(axis=1)

    def write_training_file(self, folder: Path) -> Path:
        """What its engineer has: no times, no latency; the predictions are out of fold."""
        path = folder / f"{self.name}.parquet"
        self.training.to_parquet(path)
        return path


def six_models(seed: int = 0) -> list[RealModel]:
    """Ten classes, two classes, three classes in words; a forest, boosting on categories with gaps, and texts."""
    scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    by_kind = make_column_transformer((OneHotEncoder(), ["region"]), remainder="passthrough")
    of_words = make_column_transformer((TfidfVectorizer(), "text"), remainder=StandardScaler())
    rng = np.random.default_rng(seed)
    wine, cultivar = _copies(load_wine, rng)
    return [
        _fitted("digits", scaled, *_copies(load_digits, rng)),
        _fitted(
            "cancer", make_pipeline(StandardScaler(), LogisticRegression()), *_copies(load_breast_cancer, rng)
        ),
        _fitted(
            "wine",
            DecisionTreeClassifier(max_depth=4),
            wine,
            np.array(["barolo", "grignolino", "barbera"])[cultivar],
        ),
        _fitted("diabetes", RandomForestRegressor(40, min_samples_leaf=5), *_copies(load_diabetes, rng)),
        _fitted("demand", make_pipeline(by_kind, HistGradientBoostingRegressor()), *_demand(rng)),
        _fitted("tickets", make_pipeline(of_words, LogisticRegression()), *_tickets(rng)),
    ]


def _copies(load: Callable[..., Any], rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """As many rows as asked for of a small set: drawn with replacement, each value moved by a tenth of its spread."""
    inputs, truth = load(return_X_y=True, as_frame=True)
    chosen = rng.integers(0, len(inputs), 2 * ROWS)
    moved = inputs.iloc[chosen].to_numpy() + 0.1 * inputs.std().to_numpy() * rng.normal(
        size=(len(chosen), inputs.shape[1])
    )
    names = [str(name).replace(" ", "_") for name in inputs.columns]
    return pd.DataFrame(moved.round(4), columns=names), truth.to_numpy()[chosen]


def _demand(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    values, truth = make_friedman1(2 * ROWS, noise=1.0, random_state=int(rng.integers(1000)))
    names = ("price", "discount", "stock", "weekday", "promotion")
    inputs = pd.DataFrame(values[:, :5].round(4), columns=names)
    inputs["region"] = rng.choice(["north", "south", "east", "west"], len(inputs), p=[0.4, 0.3, 0.2, 0.1])
    inputs.loc[rng.random(len(inputs)) < 0.05, "stock"] = np.nan
    return inputs, 10 * truth + 20 * (inputs["region"] == "north").to_numpy()


def _tickets(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    truth = rng.choice(list(SUBJECTS), 2 * ROWS, p=[0.5, 0.3, 0.2])
    texts = []
    for subject in truth:
        words = [*rng.choice(SUBJECTS[subject], rng.integers(1, 4)), *rng.choice(FILLER, rng.integers(4, 14))]
        texts.append(" ".join(rng.permutation(words)))
    spent = rng.lognormal(3, 1, len(truth)).round(2)
    return pd.DataFrame(
        {"text": texts, "age_days": rng.integers(0, 900, len(truth)) / 1.0, "spent": spent}
    ), truth


def _fitted(name: str, estimator: Any, inputs: pd.DataFrame, truth: np.ndarray) -> RealModel:
    train, live = inputs.iloc[:ROWS].reset_index(drop=True), inputs.iloc[ROWS:].reset_index(drop=True)
    training = train.assign(truth=truth[:ROWS])
    if is_classifier(estimator):
        shares = cross_val_predict(estimator, train, truth[:ROWS], cv=4, method="predict_proba")
        training["prediction"] = np.unique(truth[:ROWS])[shares.argmax(axis=1)]
        training["confidence"] = shares.max(axis=1)
    else:
        training["prediction"] = cross_val_predict(estimator, train, truth[:ROWS], cv=4)
    estimator.fit(train, truth[:ROWS])
    return RealModel(name, estimator, training, live, truth[ROWS:], _important(estimator, live))


def _important(estimator: Any, live: pd.DataFrame) -> tuple[str, ...]:
    """Numeric inputs by how much the answers change when their values are reversed."""
    sample = live.head(400)
    before = estimator.predict(sample)

    def moves(name: str) -> float:
        after = estimator.predict(sample.assign(**{name: sample[name].to_numpy()[::-1]}))
        return float(np.mean(after != before) if is_classifier(estimator) else np.abs(after - before).mean())

    return tuple(sorted(live.select_dtypes("number").columns, key=moves, reverse=True))


@dataclass(frozen=True, slots=True)
class Break:
    """One way to break a model: its inputs before it answers, or its records afterwards. `column` is what to name."""

    name: str
    inputs: Callable[[RealModel, pd.DataFrame], pd.DataFrame] | None = None
    records: Callable[[RealModel, pd.DataFrame, np.random.Generator], pd.DataFrame] | None = None
    names_column: bool = False


def _unit(model: RealModel, inputs: pd.DataFrame) -> pd.DataFrame:
    return inputs.assign(**{model.important[0]: inputs[model.important[0]] * 1000})


def _swapped(model: RealModel, inputs: pd.DataFrame) -> pd.DataFrame:
    """The most important input and the one whose values are the least like its own."""
    first, second = model.important[0], model.unlike
    return inputs.assign(**{first: inputs[second], second: inputs[first]})


def _dead(model: RealModel, records: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return records.assign(**{model.important[0]: np.nan})


def _slow(model: RealModel, records: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return records.assign(latency_ms=records["latency_ms"] * 10)


def _alike(model: RealModel, records: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return records.assign(prediction=model.training["prediction"].mode()[0])


def _errors(model: RealModel, records: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return records.assign(error=np.where(rng.random(len(records)) < 0.2, "timeout", None))


def _wrong(model: RealModel, records: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Each answer is another one's: the distribution of answers stays, their quality goes."""
    pool = model.training["prediction"].to_numpy()
    return records.assign(prediction=rng.choice(pool, len(records)))


def _silent(model: RealModel, records: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return records.head(0)


BREAKS = (
    Break("unit", inputs=_unit, names_column=True),
    Break("dead", records=_dead, names_column=True),
    Break("swapped", inputs=_swapped, names_column=True),
    Break("slow", records=_slow),
    Break("alike", records=_alike),
    Break("errors", records=_errors),
    Break("wrong", records=_wrong),
    Break("silent", records=_silent),
)
