"""From the queue to the daemon: batches, the spool on disk, and the thread that sends."""
