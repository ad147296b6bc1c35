# hostile.py ADDRESS PEM AUTHORITY KIND: a peer with a certificate of the cluster that breaks HTTP/2 in one way, and
# goes on until it is refused or has sent enough.  Prints "refused", or "taken".
import socket
import ssl
import struct
import sys
import urllib.parse

MAGIC = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4
ENOUGH = 128 << 20


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def header(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def request(stream, flags, method=b"Fail.Echo"):
    return frame(HEADERS, flags, stream, b"".join(header(*pair) for pair in [
        (b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"m0"), (b":path", b"/bigrpc/" + method),
        (b"content-type", b"application/json")]))


def garbage():
    while True:
        yield b"\x00\xff" * 8192


def half_a_frame():
    yield frame(HEADERS, END_HEADERS, 1, b"x" * 100)[:50]


def streams():
    for i in range(1, 1 << 24, 200):
        yield b"".join(request(k, END_HEADERS) for k in range(i, i + 200, 2))


def resets():
    for i in range(1, 40000, 2):
        yield request(i, END_HEADERS) + frame(RESET, 0, i, struct.pack(">I", 8))


def body():
    yield request(1, END_HEADERS)
    while True:
        yield frame(DATA, 0, 1, b" " * 16384)


def headers():
    yield request(1, 0)
    while True:
        yield frame(CONTINUATION, 0, 1, header(b"a" * 100, b"b" * 100) * 60)


def pings():
    while True:
        yield frame(PING, 0, 0, b"12345678") * 1000


def settings():
    while True:
        yield frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535) * 2000)


def main():
    address, pem, authority, kind = sys.argv[1:]
    url = urllib.parse.urlparse(address)
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(pem)
    context.set_alpn_protocols(["h2"])
    connection = context.wrap_socket(socket.create_connection((url.hostname, url.port), 60),
                                     server_hostname=url.hostname)
    sent = 0
    try:
        if kind != "garbage":
            connection.sendall(MAGIC + frame(SETTINGS, 0, 0))
        for piece in globals()[kind]():
            connection.sendall(piece)
            sent += len(piece)
            if sent > ENOUGH:
                break
        print("taken")
    except OSError:
        print("refused")


main()
