"""Gauges: figures that somebody else measures. Machines, GPUs, model servers, queues, an existing Prometheus."""
