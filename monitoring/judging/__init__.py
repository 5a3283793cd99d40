"""Judging: from figures to a verdict, healthy, degraded or critical, and the reasons for it."""
