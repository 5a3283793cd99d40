"""The servers: where their programs come from, how each is started, and when it answers."""
