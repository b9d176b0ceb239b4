"""How a run is identified, trained, stored and read again."""
