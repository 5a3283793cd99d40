"""What makes two failures the same."""

from orchestrator.deadletter.fingerprint import fingerprint

_TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3/celery/app/trace.py", line 500, in trace_task
    R = fun(*args)
  File "/srv/a/shop/mail.py", line 12, in send
    connect(host)
  File "/srv/a/shop/smtp.py", line 40, in connect
    raise OSError(host)
OSError: mail-7.example.org
"""


def _of(traceback: str, exception: str = "OSError", task: str = "mail.send") -> str:
    return fingerprint("exception", task, exception, traceback)


def test_line_numbers_messages_and_the_hosts_folders_make_no_difference() -> None:
    other = _TRACEBACK.replace("line 12", "line 13").replace("mail-7", "mail-8").replace("/srv/a", "/opt/b")

    assert _of(other) == _of(_TRACEBACK)
    assert len(_of(_TRACEBACK)) == 16


def test_another_exception_or_another_function_makes_one() -> None:
    assert _of(_TRACEBACK, "ValueError") != _of(_TRACEBACK)
    assert _of(_TRACEBACK.replace("in send", "in resend")) != _of(_TRACEBACK)


def test_without_frames_the_reason_and_the_task_count() -> None:
    assert fingerprint("expired", "a", "", "") != fingerprint("expired", "b", "", "")
    assert fingerprint("expired", "a", "", "") != fingerprint("rejected", "a", "", "")
    assert fingerprint("expired", "a", "", "no frames") == fingerprint("expired", "a", "", "")


def test_a_text_that_utf8_does_not_hold_has_one_as_well() -> None:
    assert len(_of('  File "/a/\udce4.py", line 1, in f\n')) == 16


def _late(traceback: str, task: str = "mail.send") -> str:
    caused = "\nThe above exception was the direct cause of the following exception:\n\n"
    return fingerprint(
        "deadline_exceeded",
        task,
        "orchestrator.errors.DeadlineExceeded",
        f"{traceback}{caused if traceback else ''}orchestrator.errors.DeadlineExceeded: no further attempt",
    )


def test_what_a_deadline_has_ended_is_known_by_its_task_and_what_it_failed_of_before() -> None:
    other_place = _TRACEBACK.replace("in send", "in resend")
    other_class = _TRACEBACK.replace("OSError: mail", "ValueError: mail")

    assert _late(_TRACEBACK) == _late(_TRACEBACK.replace("mail-7", "mail-8"))
    assert len({_late(each) for each in (_TRACEBACK, other_place, other_class, "")}) == 4
    assert _late(_TRACEBACK, "mail.fetch") != _late(_TRACEBACK)
    assert _late("", "mail.fetch") != _late("")


def test_what_was_not_begun_is_one_group_of_its_task_wherever_that_was_found() -> None:
    in_child = """Traceback (most recent call last):
  File "/srv/orchestrator/worker/in_time.py", line 30, in begin
    raise DeadlineExceeded("not begun")
orchestrator.errors.DeadlineExceeded: not begun
"""
    both = [fingerprint("deadline_exceeded", "a", "DeadlineExceeded", each) for each in (in_child, "")]

    assert both[0] == both[1]
