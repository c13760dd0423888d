"""Bytes and structs: RFC 9846, sections 3 and 4 and appendix B. Nothing here knows a secret or an order of messages."""
