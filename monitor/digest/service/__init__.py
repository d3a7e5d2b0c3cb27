"""Service reports for clients: agreed targets, incidents and trend of a week or a month, ready to print."""
