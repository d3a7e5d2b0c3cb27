"""Metrics in a client's words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrase:
    """A metric in a client's words: its name, a clause with its `{value}`, and an explanation."""

    name: str
    says: str
    shape: str = "share"
    explains: str = ""


PHRASES: dict[str, Phrase] = {
    "accuracy": Phrase(
        "Right answers",
        "is right in {value} of all cases",
        explains="Share of the model's answers that turned out to be right, once the outcomes were known.",
    ),
    "balanced_accuracy": Phrase(
        "Right answers, all groups weighted equally",
        "is right in {value} of cases, each group weighted equally",
        explains="Right answers, where small groups count as much as large ones.",
    ),
    "precision": Phrase(
        "Alarms that were right",
        "is right in {value} of the cases that it reports",
        explains="Of the cases that the model reported, the share that really were such cases.",
    ),
    "recall": Phrase(
        "Cases found",
        "finds {value} of the cases that it should find",
        explains="Of the cases that the model should report, the share that it found.",
    ),
    "f1": Phrase(
        "Cases found and alarms right",
        "reaches a score of {value} for finding cases without false alarms",
        explains="One figure for two aims: finding all cases, and raising no false alarms. 100 % is perfect.",
    ),
    "roc_auc": Phrase(
        "Ranking",
        "ranks a true case above another one in {value} of comparisons",
        explains="How often the model ranks a true case above one that is not. 50 % would be chance.",
    ),
    "estimated_accuracy": Phrase(
        "Right answers, estimated",
        "is estimated to be right in {value} of all cases",
        explains="An estimate from how sure the model is of its answers, until the outcomes are known.",
    ),
    "mae": Phrase(
        "Usual distance from the truth",
        "is off by {value} on average",
        "number",
        "How far the model's numbers lie from the truth, on average.",
    ),
    "rmse": Phrase(
        "Distance from the truth",
        "is off by {value}, large misses counting more",
        "number",
        "How far the model's numbers lie from the truth, where large misses count more.",
    ),
    "mape": Phrase(
        "Distance from the truth",
        "is off by {value} of the true value on average",
        explains="How far the model's numbers lie from the truth, as a share of the true value.",
    ),
    "wape": Phrase(
        "Error of the forecasts",
        "has errors of {value} of the actual values",
        explains="The total error of the forecasts, as a share of the total of the actual values.",
    ),
    "bias_share": Phrase(
        "Forecasts too high or too low",
        "is too high by {value} of the actual values overall (below 0: too low)",
        explains="Above 0, the forecasts are too high overall; below 0, too low.",
    ),
    "mase": Phrase(
        "Error compared with a simple forecast",
        "errs {value} times as much as repeating the last season did",
        "number",
        "Below 1, the forecasts err less than repeating the last season did in the data that the model learned from.",
    ),
    "relative_mae": Phrase(
        "Error compared with a simple forecast for the same times",
        "errs {value} times as much as a simple forecast",
        "number",
        "Below 1, the forecasts err less than a simple forecast for the same times.",
    ),
    "interval_coverage": Phrase(
        "Actual values within the stated range",
        "states ranges that contain {value} of the actual values",
        explains="How often the actual value lay in the range that the forecast stated.",
    ),
    "coverage_shortfall": Phrase(
        "Actual values outside the stated range",
        "has {value} more of the actual values outside its stated ranges than it should",
        explains="A range that should contain 80 of 100 actual values misses 20. This is how many more it missed.",
    ),
    "hit_rate_at_k": Phrase(
        "Lists with something chosen",
        "shows something that is chosen in {value} of its lists",
        explains="Share of the lists of which at least one of the first items was chosen.",
    ),
    "ndcg_at_k": Phrase(
        "Order of the lists",
        "reaches {value} of the best possible order of its lists",
        explains="100 % would be all chosen items first, the most valuable one at the top.",
    ),
    "catalogue_coverage": Phrase(
        "Items shown",
        "shows {value} of all items to somebody",
        explains="How much of everything that could be shown was in at least one list.",
    ),
    "goal_rate": Phrase(
        "Goals reached",
        "reaches its goal in {value} of its runs",
        explains="Share of the runs that ended with what they were meant to reach.",
    ),
    "tool_error_rate": Phrase(
        "Tools that failed",
        "gets an error from {value} of its tool calls",
        explains="A tool is another program that the model calls, such as a search. Share of these calls that failed.",
    ),
    "loop_rate": Phrase(
        "Runs that repeat themselves",
        "repeats a tool call in {value} of its runs",
        explains="Share of the runs that called a tool a second time with the same arguments.",
    ),
    "alert_precision": Phrase(
        "Alerts that were right",
        "is right in {value} of its alerts",
        explains="Of the alerts that somebody looked at, the share that were right.",
    ),
    "alert_rate": Phrase(
        "Alerts",
        "raises an alert in {value} of all cases",
        explains="Share of all cases that the model found unusual enough to report.",
    ),
    "precision_at_top_k": Phrase(
        "Strongest alerts that were right",
        "is right in {value} of its strongest alerts",
        explains="Of the cases that the model found most unusual, the share that really was.",
    ),
    "subset_accuracy": Phrase(
        "All labels right",
        "gets all labels right in {value} of all cases",
        explains="Share of the cases with no missing label and no extra one.",
    ),
    "micro_f1": Phrase(
        "Labels found and right",
        "reaches a score of {value} for finding labels without wrong ones",
        explains="One figure for two aims: finding all labels, and giving no wrong ones. 100 % is perfect.",
    ),
    "macro_f1": Phrase(
        "Labels found and right, all labels weighted equally",
        "reaches a score of {value} for finding labels without wrong ones, each label weighted equally",
        explains="Labels found and right, where rare labels count as much as frequent ones.",
    ),
    "output_mae": Phrase(
        "Usual distance from the truth",
        "is off by {value} on average",
        "number",
        "How far one of the model's numbers lies from the truth, on average.",
    ),
    "concordance_at_horizon": Phrase(
        "Order of risks",
        "ranks a case that was affected above one that was not in {value} of comparisons",
        explains="How often a case that was affected had a higher risk than one that was not. 50 % would be chance.",
    ),
    "volume": Phrase(
        "Decisions", "made {value} decisions", "count", "Number of answers that the model gave."
    ),
    "error_rate": Phrase(
        "Requests without an answer",
        "could not answer {value} of the requests",
        explains="Share of requests that the model could not answer.",
    ),
    "availability": Phrase(
        "Requests answered",
        "answered {value} of the requests",
        explains="Share of requests that got an answer.",
    ),
    "latency_p50": Phrase(
        "Usual time to answer",
        "usually answers within {value}",
        "seconds",
        "Half of all answers are at least this fast.",
    ),
    "latency_p95": Phrase(
        "Time to answer",
        "answers 95 of 100 requests within {value}",
        "seconds",
        "95 of 100 answers are at least this fast.",
    ),
    "latency_p99": Phrase(
        "Slowest answers",
        "answers 99 of 100 requests within {value}",
        "seconds",
        "99 of 100 answers are at least this fast.",
    ),
    "confidence_mean": Phrase(
        "How sure the model is",
        "is {value} sure of its answers on average",
        explains="How sure the model says it is of its answers, on average.",
    ),
    "confidence_low_share": Phrase(
        "Unsure answers",
        "is unsure in {value} of all cases",
        explains="Share of answers in which the model was not sure.",
    ),
    "automation_rate": Phrase(
        "Decided automatically",
        "decides {value} of all cases automatically",
        explains="Share of cases that needed no person.",
    ),
    "review_rate": Phrase(
        "Checked by a person",
        "had {value} of its answers checked by a person",
        explains="Share of answers that a person looked at.",
    ),
    "correction_rate": Phrase(
        "Corrected by a person",
        "had {value} of the checked answers corrected",
        explains="Of the answers that a person looked at, the share that were changed.",
    ),
    "satisfaction": Phrase(
        "Feedback",
        "gets feedback of {value} on average",
        "number",
        "Average of the feedback that users gave.",
    ),
    "cost_per_prediction": Phrase(
        "Cost of a decision", "costs {value} for each decision", "number", "What one answer costs on average."
    ),
    "drifted_share": Phrase(
        "Inputs that look different",
        "sees {value} of its inputs differ from before",
        explains="Share of the model's inputs that look different from those it was trained on.",
    ),
}
"""The metrics that clients can see; others are shown to engineers only."""
