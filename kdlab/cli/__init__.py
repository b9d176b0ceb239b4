"""The kdlab command."""
