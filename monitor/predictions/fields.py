"""What a record may say, by the names of its fields; features, segments and probabilities stand apart."""

PREDICTION_FIELDS = (
    "id",
    "timestamp",
    "version",
    "prediction",
    "confidence",
    "latency_ms",
    "error",
    "automated",
    "cost",
)
OUTCOME_FIELDS = ("truth", "reviewed", "corrected", "feedback")
