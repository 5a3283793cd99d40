"""Imports the modules in which an app's tasks, handlers and checks are; one that cannot be is named."""

import traceback
from collections.abc import Iterable
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from celery import Celery

from orchestrator import redaction, settings
from orchestrator.errors import SettingsError


def import_modules(app: Celery) -> None:
    """Import what a worker of this app imports at its start.

    Raises:
        SettingsError: a module of OMNINODE_IMPORTS does not exist, or raises while it is imported.
    """
    for module in settings.current().imports:
        try:
            app.loader.import_task_module(module)
        except Exception as error:
            raise SettingsError(redaction.text(_explain(module, error))) from error
    app.loader.import_default_modules()


def find_modules(names: Iterable[str]) -> None:
    """Look for the packages of these modules where a worker of this folder would, without importing anything.

    Raises:
        SettingsError: a module of OMNINODE_IMPORTS is in no package that is here.
    """
    for name in names:
        package = name.partition(".")[0]
        if find_spec(package) is None and PathFinder.find_spec(package, [str(Path.cwd())]) is None:
            missing = ModuleNotFoundError(f"No module named {package!r}", name=package)
            raise SettingsError(_explain(name, missing))


def _explain(module: str, error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
        return f"OMNINODE_IMPORTS names {module}, which cannot be found here: {error}"
    last_line = traceback.format_exception_only(error)[-1].strip()
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"OMNINODE_IMPORTS names {module}, which cannot be imported: {last_line} "
        f"({place.filename}, line {place.lineno})"
    )
