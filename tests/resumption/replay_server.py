"""One of several servers that share ticket keys and remember early data together: run by test_redis.py.

    python replay_server.py redis-url directory-with-the-identity

Prints its port, then "taken" for each piece of early data that it accepts. Anything else it sends back.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import tls13


async def main(url: str, where: Path) -> None:
    store = tls13.AsyncRedisStore(url, timeout=20)
    config = tls13.ServerConfig(
        tls13.Identity.from_files(where / "chain.pem", where / "key.pem"),
        tickets=tls13.SealedTickets(tls13.StoredTicketKeys(store)),
        replay_guard=tls13.ReplayGuard(store),
        max_early_data=2**14,
    )

    async def serve(reader: asyncio.StreamReader, writer: tls13.aio.TLSWriter) -> None:
        while await writer.recv_early_data():
            print("taken", flush=True)
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await tls13.aio.start_server(
        serve, "127.0.0.1", 0, config, early_data=True, on_error=lambda error, peer: None, backlog=500
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
