"""Real parts on one machine, for the demo, the tests and the benchmarks; imports nothing of Hark's.

A Kubernetes control plane, moto's AWS and a wire proxy that sits between the product and either of
them and can lose, delay or forge what passes.
"""
