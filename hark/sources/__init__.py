"""The sources that the environment names, one module each."""
