"""The page of one alert. Start with `alert_page.py`."""
