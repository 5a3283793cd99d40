"""Alerts of the fleet: what is judged is raised, cleared, and delivered to whoever wants to be told."""
