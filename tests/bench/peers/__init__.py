"""What the peers do, each as a script that runs in an environment of its own and knows nothing of ours.

A script takes two Parquet files (and a variant), prepares the reference where the tool can keep it, and does the whole
work once. It prints, as JSON, the CPU seconds of the current window alone: from a frame in memory to verdicts.
"""
