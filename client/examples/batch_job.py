"""A nightly job: scores a table, and says what became known of yesterday's."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from watchkeeper_client import Client
from watchkeeper_client.integrations.models import WatchedModel

rng = np.random.default_rng(0)
orders = pd.DataFrame(
    {"order": np.arange(2_500), "amount": rng.normal(100, 20, 2_500), "items": rng.poisson(3, 2_500)}
)
columns = ["amount", "items"]
model = LogisticRegression().fit(orders[columns], orders["amount"] > 110)

with Client(version="7") as watchkeeper:  # at the end, what waits is sent
    for start in range(0, len(orders), 1_000):
        part = orders.iloc[start : start + 1_000]
        watched = WatchedModel(model, watchkeeper, id=lambda _, part=part: part["order"])
        watched.predict_proba(part[columns])
        watchkeeper.flush()  # a queue has an end: wait for each part
    for order in (1, 2, 3):
        watchkeeper.outcome(order, truth=True)
