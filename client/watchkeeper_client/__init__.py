"""Sends what a model predicts to Watchkeeper, without getting in the model's way."""

from watchkeeper_client.client import Client
from watchkeeper_client.settings import Limits
from watchkeeper_client.version import __version__

__all__ = ["Client", "Limits", "__version__"]
