"""Processes that never outlive who started them: started, watched, and ended by a guard."""
