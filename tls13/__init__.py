"""tls13: RFC 9846 as a coroutine, with no I/O inside."""
