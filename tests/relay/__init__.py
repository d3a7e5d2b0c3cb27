"""Tests of `monitor/relay`."""
