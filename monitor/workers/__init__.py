"""Workers: processes that each measure and judge a share of the streams, while one leader plans notifications."""
