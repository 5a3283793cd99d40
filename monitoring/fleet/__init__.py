"""The fleet at a moment: queues, workers, beat, relays, circuits, what runs; and the verdict on all of it."""
