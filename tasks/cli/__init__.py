"""The commands that are about work: hooks and the demo."""
