"""An application of OmniNode: it counts stars, and thanks everybody who gives one."""

from celery import shared_task

from tasks.hooks import Hook, HookEvent, on


@shared_task(name="example.thank")
def thank(login: str, repository: str) -> str:
    """An ordinary Celery task: it is retried with backoff, has limits, and its id is in every log line."""
    return f"Thank you for the star on {repository}, {login}!"


@on("github.star.created")
def greet_stargazer(event: HookEvent, hook: Hook) -> None:
    """Runs in the hook's own transaction: the task is enqueued if, and only if, the hook is stored."""
    hook.enqueue(thank, event.payload["sender"]["login"], event.payload["repository"]["full_name"])
