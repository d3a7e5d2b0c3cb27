"""The layout of a stream: its columns with their types and buckets. Start with `layout.py`;
`from_table.py` builds one.
"""
