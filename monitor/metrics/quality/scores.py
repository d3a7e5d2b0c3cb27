"""Scores that evaluators gave to predictions, such as the groundedness of an answer.

They arrive by themselves, after the predictions; `monitor.evaluation.evaluators.score_metrics` reads them.
"""

from monitor.metrics.metric import MetricInfo
from monitor.records import Better

SCORE_MEAN = MetricInfo(
    "score_mean", "", Better.NONE,
    "Mean of the scores that an evaluator gave in the last hour. Each version of an evaluator has its own.",
    ("score", "evaluator"), "sum of scores / n",
    "`scores` of outcomes, or results of evaluations (`gen_ai.evaluation.result`); five of them",
)  # fmt: skip
INFO = (SCORE_MEAN,)
