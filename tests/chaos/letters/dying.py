"""Tasks that die at once, in the order in which they were sent: `-A tests.chaos.letters.dying`."""

from celery import Celery

from orchestrator.errors import PermanentError
from orchestrator.install import install

app = install(Celery("dying"))


@app.task(name="dying.die", queue="dying")
def die(index: int) -> None:
    """Die."""
    raise PermanentError(f"letter {index}")
