"""`make bench-signals`: how often signals are right on labelled texts that lie in packages, beside other tools."""
