"""Lists of items, such as recommendations and search results: how good they are, and what they show."""
