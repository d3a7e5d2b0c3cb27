"""The parser for all times that come in: JSON, Arrow, files, frames, command-line options.

A time is µs since the epoch, UTC. `reading` parses one value, `columns` a whole column with equal results, and `order`
decides, once per column, whether the day or the month comes first.
"""
