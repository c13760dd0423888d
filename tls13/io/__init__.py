"""Transports: plain sockets, asyncio, and two connections in one process."""
