"""What may become of a letter: the whole list."""

STATES = ("open", "replaying", "parked", "resolved", "archived")
# Those that somebody still has to deal with.
UNSETTLED = ("open", "replaying", "parked")
