"""Mails to readers who asked to be told when something changes on their page."""
