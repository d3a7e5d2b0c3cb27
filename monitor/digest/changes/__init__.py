"""Mails to readers who asked to be notified when something changes on their page."""
