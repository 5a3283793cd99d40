"""The main job on real input, end to end, and a report that asks the servers what became of it."""
