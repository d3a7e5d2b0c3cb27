"""The `predictions` section of the configuration."""

from pydantic import Field

from monitor.records import Stream
from monitor.settings import Duration, Section, Size


class PredictionSettings(Section):
    """How predictions and outcomes are taken in, and how long they are kept."""

    base_window: Duration = Field(default=60.0, ge=1.0)
    """Length of a base window: the unit in which rows are stored and counted. Longer windows are sums of these."""
    retention: Duration = 30 * 86400.0
    """How long the rows of predictions and their outcomes are kept. Older ones are refused on arrival."""
    outcome_wait: Duration = 30 * 86400.0
    """How long an outcome waits for its prediction before it is given up and counted as unmatched."""
    quarantine_retention: Duration = 7 * 86400.0
    """How long refused records are kept for looking at."""
    resend_window: Duration = 86400.0
    """How long a request is remembered, so that sending it again stores nothing twice."""
    body_limit: Size = 32_000_000
    """Largest request body, in bytes as sent and after decompression. A larger one is refused with 413."""
    queue_limit: Size = 128_000_000
    """Bytes of requests that may wait for the database. Beyond it a request is refused with 429."""
    acknowledge_within: Duration = 15.0
    """How long a sender is kept waiting for the commit before it is told 503."""
    future: Duration = 300.0
    """How far ahead of the daemon's clock a timestamp may be."""
    max_features: int = Field(default=2000, ge=1)
    """Distinct features of one stream. A record that would go beyond is refused."""
    max_streams: int = Field(default=10_000, ge=1)
    """Distinct client, model and environment together. A record that would open one more is refused."""
    max_label: int = Field(default=512, ge=1)
    """Longest id, version, label, segment or error, in characters."""
    max_text: Size = 65_536
    """Longest text of a feature, in characters."""
    max_list: int = Field(default=8192, ge=1)
    """Longest list of numbers (an embedding) in a feature."""
    sample: float = Field(default=1.0, gt=0, le=1)
    """Share of rows whose features are kept, chosen by a hash of the id. Counts, latency and errors use all rows."""
    samples: dict[str, float] = Field(default_factory=dict)
    """The same for single models, as `client/model: 0.1`."""

    def sample_of(self, stream: Stream) -> float:
        """The share of rows of a stream whose features are kept."""
        return self.samples.get(f"{stream.client}/{stream.model}", self.sample)
