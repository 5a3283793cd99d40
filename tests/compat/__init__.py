"""Celery's own integration tests, run on stock Celery and on OmniNode, and compared.

`python -m tests.compat --help` says how. The tests come from Celery's source package, which is fetched when
they run; nothing of it is kept in this repository.
"""
