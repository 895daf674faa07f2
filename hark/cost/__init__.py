"""What the same secrets cost with kubernetes-external-secrets, External Secrets Operator and Hark.

hark.cost.estate   what is to be kept, and on which terms: counts and intervals, no names
hark.cost.peers    the calls of the two that poll
hark.cost.ours     the calls of Hark: reads, sweep, and the way of the events
hark.cost.prices   the price lists (prices.yaml, the one place for them), and dollars
hark.cost.compare  all of that for several backends at once: what `hark cost` and the bench show

The first five are pure functions of plain data. hark.cost.census counts the objects of a cluster,
hark.cost.command is the command.
"""
