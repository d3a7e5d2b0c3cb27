"""What exactly is wrong, and what changed before it: the error type, version, segment or column of an alert.

`affected_slices.py` and `columns.py` compare the profiles before and since the onset, `causes.py` lists what else
changed; all three are pure. `load.py` reads the profiles and stores the result in the alert. Start reading there.
"""
