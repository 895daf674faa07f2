"""The half that hears that something changed and writes it down; it can read no secret value."""
