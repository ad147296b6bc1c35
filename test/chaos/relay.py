#!/usr/bin/env python3
"""relay PORT FILE: a relay for connections that a firewall's rule redirects
to it.  FILE says, at any time, what it does to the bytes of both ways:

    pass           hands them on
    delay SECONDS  hands them on so much later
    cut BYTES      hands on so many more of a connection, then resets it
    garble         turns a bit in each piece over
    hold           takes them, and hands on nothing

It says "ready" on stdout.  Its own connections carry the mark 1, by which the
rule knows them.
"""

import asyncio
import socket
import struct
import sys

SO_ORIGINAL_DST = 80


def order(path):
    """The file's words."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split() or ["pass"]
    except OSError:
        return ["pass"]


def destination(connection):
    """Where the caller wanted to go."""
    port, host = struct.unpack("!2xH4s8x", connection.getsockopt(
        socket.SOL_IP, SO_ORIGINAL_DST, 16))
    return socket.inet_ntoa(host), port


def reset(connection):
    """Ends it so that both sides see a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))


class Reset(Exception):
    """The connection is to be cut."""


async def take(loop, source, queue):
    """Reads on, and notes when each piece came."""
    while True:
        data = await loop.sock_recv(source, 65536)
        await queue.put((loop.time(), data))
        if not data:
            return


async def give(loop, target, queue, path):
    """Hands on what was taken, in the way that the file says."""
    left = None
    while True:
        came, data = await queue.get()
        what = order(path)
        while what[0] == "hold":
            await asyncio.sleep(0.02)
            what = order(path)
        if what[0] == "delay":
            await asyncio.sleep(came + float(what[1]) - loop.time())
        if what[0] == "cut":
            left = int(what[1]) if left is None else left
            data, left = data[:left], left - len(data)
        if what[0] == "garble" and data:
            data = bytes([data[0] ^ 1]) + data[1:]
        if data:
            await loop.sock_sendall(target, data)
        if left is not None and left <= 0:
            raise Reset
        if not data:
            target.shutdown(socket.SHUT_WR)
            return


async def connect(loop, caller, path):
    """One connection, from its beginning to its end."""
    host, port = destination(caller)
    with caller, socket.socket() as callee:
        callee.setblocking(False)
        callee.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)
        tasks = []
        try:
            await loop.sock_connect(callee, (host, port))
            ways = [asyncio.Queue(256), asyncio.Queue(256)]
            tasks = [loop.create_task(work) for work in (
                take(loop, caller, ways[0]), take(loop, callee, ways[1]),
                give(loop, callee, ways[0], path),
                give(loop, caller, ways[1], path))]
            await asyncio.gather(*tasks)
        except (OSError, Reset) as why:
            print(f"{host}:{port}: {why!r}", file=sys.stderr, flush=True)
            reset(caller)
            reset(callee)
        # Before the sockets' numbers are somebody else's.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def main():
    """Takes connections until it is killed."""
    loop = asyncio.get_running_loop()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(sys.argv[1])))
        listener.listen(1024)
        listener.setblocking(False)
        print("ready", flush=True)
        tasks = set()
        while True:
            caller, _ = await loop.sock_accept(listener)
            caller.setblocking(False)
            task = loop.create_task(connect(loop, caller, sys.argv[2]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
