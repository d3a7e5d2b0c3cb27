"""What the peers do, each as a script that runs in an environment of its own and knows nothing of ours.

A script takes a mode and two Parquet files. `files` does the whole work once; `kept` prepares the reference (where the
tool can keep it), and then times the current window alone, from a frame in memory to verdicts. It prints seconds of
CPU of what was timed, as JSON.
"""
