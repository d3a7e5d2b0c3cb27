"""Speed, against the peers and against our own goals. See docs/performance.md for results."""

import monitor  # noqa: F401  before numpy, which it tells how to sort (see monitor/processor.py)
