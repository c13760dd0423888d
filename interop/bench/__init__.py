"""How fast tls13 is beside other TLS stacks that Python programs use: `python -m interop.bench`.

Everything is a ratio to the standard library's `ssl`, taken in the same run, the stacks taking turns, because a
machine's speed changes from one second to the next and from one machine to another; the median of the ratios is
printed. What happens in memory is measured in CPU time. No test asserts any of it.
"""
