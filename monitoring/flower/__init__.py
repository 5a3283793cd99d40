"""What OmniNode shows in Flower. Flower imports it, by the names in `orchestrator.flower`."""
