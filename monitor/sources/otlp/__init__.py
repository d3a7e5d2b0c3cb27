"""OpenTelemetry: decodes what OTLP exporters send, and turns GenAI spans into records."""
