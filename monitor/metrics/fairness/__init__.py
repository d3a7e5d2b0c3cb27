"""Whether groups of people are treated alike: figures by group, from the counts of declared segments."""
