"""An experiment as a value, and a run put together from it."""
