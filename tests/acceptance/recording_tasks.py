"""Tasks that record something in the child that runs them."""

from celery import shared_task

from monitoring.performance import performance_monitor


@shared_task(name="recordings.one")
def one() -> None:
    performance_monitor.record("in a child", "once", 5.0, True)
