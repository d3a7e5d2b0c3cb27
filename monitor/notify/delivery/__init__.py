"""From the outbox to the channels: workers, retries, rate limits."""
