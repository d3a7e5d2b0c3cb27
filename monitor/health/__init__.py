"""How each model is doing, told in words that a client knows: pages and digests read from here."""
