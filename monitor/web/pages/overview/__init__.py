"""The engineers' overview: all models as one table, with the alerts that fire on top."""
