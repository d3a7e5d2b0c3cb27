"""Files of other tools: expectations read from them, and written for them."""
