"""A fleet of workers whose dependency goes away and returns, and what is held against the promises."""
