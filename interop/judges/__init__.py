"""Tests that others have written for `ssl` and for what stands on it, run over tls13.SSLContext.

A judge is a test file that nobody here may touch: CPython's own for `ssl` and for asyncio with TLS, and trio's. Each is
run twice in a process of its own (witness.py): with the standard library's contexts, which shows what the test does on
this machine and whether it makes a connection at all, and with ours in the place of ssl.SSLContext. Each test that
passes there and not here stands in the judge's JSON file with its reason; one that fails and does not stand there is a
failure, and one that stands there and passes is one too.
"""
