"""The demo's own task: it stores an order in a table that somebody has forgotten to create."""

from celery import shared_task

from orchestrator import postgres

# One row an order: a task that ran twice would fail of its key.
TABLE = "CREATE TABLE IF NOT EXISTS demo_orders (number integer PRIMARY KEY, cents integer NOT NULL)"


@shared_task(name="demo.store_order", max_retries=0)
def store_order(number: int, cents: int) -> None:
    """Store one order.

    Raises:
        psycopg.errors.UndefinedTable: until the table is there.
    """
    with postgres.transaction() as database:
        database.execute("INSERT INTO demo_orders (number, cents) VALUES (%s, %s)", (number, cents))
