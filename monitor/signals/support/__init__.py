"""How far an answer is supported: by its context, by other answers to the same question, by the model's own doubt."""
