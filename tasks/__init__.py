"""Which work exists: models, hooks, texts, health and retention."""
