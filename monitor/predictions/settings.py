"""The `predictions` section of the configuration."""

from pydantic import Field

from monitor.config.sections import Duration, RealNumber, Section, Size, WholeNumber
from monitor.config.units import DAY
from monitor.records import Stream
from monitor.text_limits import LABEL


class PredictionSettings(Section):
    """Limits for incoming predictions and outcomes, and how long they are stored."""

    base_window: Duration = Field(default=60.0, ge=1.0, le=DAY)
    """Length of a base window, the unit in which rows are stored and counted. Longer windows are sums of base
    windows, so it must divide an hour."""
    retention: Duration = 30.0 * DAY
    """How long rows of predictions and outcomes are kept. Older rows are rejected on arrival."""
    outcome_wait: Duration = 30.0 * DAY
    """How long an outcome waits for its prediction before it counts as unmatched."""
    text_retention: Duration = 14.0 * DAY
    """How long texts of calls of language models are kept, where the policy `texts` of the client keeps them."""
    texts_wait: Duration = 15.0
    """How long a call that came over OTLP without texts waits for those in log records; 0 to store it at once. Calls of
    a stream that sends no such texts do not wait."""
    runs_wait: Duration = 15.0
    """How long a run of an agent that came over OTLP waits for spans of it that arrive after that of the agent."""
    runs_outer_wait: Duration = Field(default=900.0, ge=0.0, le=DAY)
    """How long an agent waits for the spans around it, such as those of an agent that it works for. Raise it if agents
    hand work to others and then go on for longer."""
    runs_longest: Duration = Field(default=21_600.0, ge=60.0, le=DAY)
    """Longest run of an agent whose steps and calls of tools are counted, and how long they wait for its end."""
    runs_spans: WholeNumber = Field(default=20_000, ge=1, le=200_000)
    """Maximum spans of a trace that are kept for runs of agents. What a run with more did is not counted."""
    quarantine_retention: Duration = 7.0 * DAY
    """How long rejected records are kept."""
    resend_window: Duration = float(DAY)
    """How long a request is recognized when it is sent again, so that it is stored only once."""
    body_limit: Size = 32_000_000
    """Largest request body, in bytes as sent and after decompression. Larger ones are rejected with 413."""
    queue_limit: Size = 128_000_000
    """Bytes of requests that may wait for the database. Beyond that, requests are rejected with 429."""
    acknowledge_within: Duration = 15.0
    """How long a sender waits for the commit before it gets 503."""
    future: Duration = 300.0
    """How far a timestamp may be ahead of the daemon's clock."""
    max_records: WholeNumber = Field(default=100_000, ge=1)
    """Maximum records per request. Larger requests are rejected with 413."""
    max_features: WholeNumber = Field(default=2000, ge=1)
    """Maximum distinct features per stream. Records that would exceed it are rejected."""
    max_streams: WholeNumber = Field(default=10_000, ge=1)
    """Maximum number of streams (client, model and environment). Records that would create another one are
    rejected."""
    max_client_streams: WholeNumber = Field(default=2000, ge=1)
    """Maximum number of streams of one client. Those that have sent nothing for `retention` do not count."""
    client_rate: Size = 0
    """Bytes a second that one client may send, over ten seconds; 0 for any. Beyond it, requests are rejected with
    429."""
    max_label: WholeNumber = Field(default=LABEL, ge=1, le=LABEL)
    """Maximum length of an id, version, label, segment or error, in characters."""
    max_text: Size = 65_536
    """Maximum length of a text feature, in characters."""
    max_list: WholeNumber = Field(default=8192, ge=1)
    """Maximum length of a list of numbers (an embedding)."""
    sample: RealNumber = Field(default=1.0, gt=0, le=1)
    """Share of rows whose features are kept, selected by a hash of the id. Counts, latency and errors use all
    rows."""
    samples: dict[str, RealNumber] = Field(default_factory=dict)
    """`sample` for single models, such as `client/model: 0.1`."""

    def sample_of(self, stream: Stream) -> float:
        """The share of rows of a stream whose features are stored."""
        return self.samples.get(f"{stream.client}/{stream.model}", self.sample)
