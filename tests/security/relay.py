"""A program: hands bytes on between HOST:PORT, where it listens, and another HOST:PORT; a line on standard input ends all connections.

    python relay.py HOST:PORT HOST:PORT
"""

import asyncio
import contextlib
import sys

PIECE_BYTES = 256 << 10
connections: set[asyncio.StreamWriter] = set()


async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    writer.close()


async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    try:
        there_reader, there = await asyncio.open_connection(host, port, limit=PIECE_BYTES)
    except OSError:
        writer.close()
        return
    both = {writer, there}
    connections.update(both)
    await asyncio.gather(hand_on(reader, there), hand_on(there_reader, writer))
    connections.difference_update(both)


async def main() -> None:
    here, there = (address.rsplit(":", 1) for address in sys.argv[1:3])
    server = await asyncio.start_server(
        lambda reader, writer: join(reader, writer, there[0], int(there[1])), here[0], int(here[1]), limit=PIECE_BYTES
    )
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print("ready", flush=True)
    while await commands.readline():
        for writer in list(connections):
            writer.transport.abort()
        print("cut", flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
