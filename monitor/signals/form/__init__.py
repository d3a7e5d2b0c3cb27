"""The form of answers: length, refusals, repetition, language, JSON."""
