"""Quality against outcomes, confidence and calibration."""
