"""How fast training is on this machine, compared with the machine's limit and with other libraries.

``python -m benchmarks`` measures it.
"""
