"""Stand-ins for what a unit test cannot wait for; each is held to the real part by a test."""
