"""The app of the workers that Celery's integration tests start as programs, without naming one."""

from celery import Celery

from tests.compat.installed import make_omninode

# As Celery's own default app, it reads its settings from the module that `--config` names.
app = Celery("default", loader="default", fixups=[])
if str(app.conf.broker_url).startswith("redis"):
    # One test wants to see how a worker fails on a RabbitMQ that is not there.
    make_omninode(app)
