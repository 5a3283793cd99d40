"""The fleet's alerts, in the broker's Redis: what is raised, what is silenced, and the history of both."""
