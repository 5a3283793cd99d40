"""The command: `python -m tests.chaos.transport --seed N --messages N [--stock]`."""

import argparse
import json
import secrets
import signal
import sys

from tests.chaos.transport.trial import PER_SECOND, QUIET_SECONDS, run

_LONG_RUN = 3000


def main() -> int:
    """Run once as the command line says; 0, 1 for violations, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.transport",
        description="Send messages of every kind under faults of every kind, and see that none is lost.",
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="repeat this run")
    parser.add_argument("--messages", type=int, default=_LONG_RUN, help="how many at least (%(default)s)")
    parser.add_argument("--per-second", type=float, default=PER_SECOND, help="sent a second (%(default)s)")
    parser.add_argument(
        "--quiet-seconds", type=float, default=QUIET_SECONDS, help="limit for what is left (%(default)s)"
    )
    parser.add_argument("--stock", action="store_true", help="plain Celery instead, to see what it loses")
    parser.add_argument("--calm", action="store_true", help="without faults, to see that each count is exact")
    parser.add_argument("--keep", action="store_true", help="keep the run's files also when nothing is wrong")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    asked = vars(parser.parse_args())
    as_json = asked.pop("json")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        done = run(**asked)
    except KeyboardInterrupt:
        return 130
    lines = [json.dumps(done.as_json())] if as_json else done.lines()
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if done.violations else 0


if __name__ == "__main__":
    sys.exit(main())
