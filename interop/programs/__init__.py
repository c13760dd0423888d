"""Real programs, with a tls13.SSLContext in the place where they take an ssl.SSLContext.

Each trial is a program as its users write it, on one side of a TCP connection over loopback; on the other side is the
standard `ssl`, or a program that has nothing to do with Python. No trial reaches into the program: a context goes in
where that program takes one, and the program neither knows nor is told what is below.

What a program should do when something goes wrong (failures.py) is not written down here: the same trial is made with
a context of the standard `ssl` first, and what it raised then, it has to raise with ours.
"""
