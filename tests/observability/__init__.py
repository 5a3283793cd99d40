"""Real Prometheus, Alertmanager and their checking programs for tests."""
