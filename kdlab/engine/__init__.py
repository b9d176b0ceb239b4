"""How a run runs: it is put together, identified, trained, stored and looked into here; a student need not open it."""
