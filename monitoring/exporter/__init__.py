"""The exporter: what is known of the fleet, over HTTP, for Prometheus and for people."""
