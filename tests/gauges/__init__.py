"""Tests of monitor/gauges."""
