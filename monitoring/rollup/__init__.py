"""Roll-ups: what the processes of a fleet record, summed in Redis by the minute and since the beginning."""
