"""Figures that the peers themselves give, to hold our compatibility functions against.

Each peer has a script that knows nothing of ours: it reads samples as JSON and prints figures as JSON. Evidently comes
with the tests' packages, so its script runs in every test run. NannyML needs older packages than we do, so what its
script printed is kept in `nannyml.json`, with the versions; `python -m tests.peers PYTHON` makes it anew, where PYTHON
is the interpreter of an environment with `nannyml statsmodels 'pandas<3'`.
"""
