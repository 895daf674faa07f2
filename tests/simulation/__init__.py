"""The protocol of the two halves, run in one thread by a seed that also chooses what goes wrong."""
