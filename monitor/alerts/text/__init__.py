"""The words of a notification: titles, endings, and commands to run first. All are pure."""
