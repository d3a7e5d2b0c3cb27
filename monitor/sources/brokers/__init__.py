"""Message brokers, one file each, with the broker's own client as an extra that is imported when a source is opened."""
