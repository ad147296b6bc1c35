"""The HTTP server: one address for the Query API, metadata, the other sources of credentials, and the tests' control."""
import http.server
import json
import socket
import sys
import threading
import traceback

from . import control, federation, metadata, query, quotas
from .query import Answer, Request

BODY_LIMIT = 4 << 20
TICK = 0.05


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "EC2"
    sys_version = ""
    # A connection that says nothing for so long is closed, in seconds.
    timeout = 300

    def handle_any(self):
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_LIMIT:
            self.close_connection = True
            self.send(Answer(413, b""))
            return
        body = self.rfile.read(int(length))
        headers = {}
        for name, value in self.headers.items():
            headers[name.lower()] = headers[name.lower()] + "," + value if name.lower() in headers else value
        request = Request(self.command, self.path, headers, body, self.client_address)
        try:
            answer = respond(self.server.world, request)
        except Exception:
            # A mistake of this service must not look like anything that EC2 says.
            text = traceback.format_exc()
            print(text, file=sys.stderr)
            self.server.world.write_log(action="bug", traceback=text)
            answer = Answer(501, text.encode(), "text/plain")
        self.send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

    def send(self, answer):
        if answer.cut in ("before", "after"):
            self.cut()
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        # Headers and body in one write, so that no delayed ACK comes between them.
        data = b"".join(self._headers_buffer) + b"\r\n" + answer.body
        self._headers_buffer = []
        if answer.cut == "middle":
            self.wfile.write(data[:len(data) - max(1, len(answer.body) // 2)])
            self.cut()
        else:
            self.wfile.write(data)

    def cut(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def date_time_string(self, timestamp=None):
        """By the service's own clock, which may be off."""
        return super().date_time_string(self.server.world.now() if timestamp is None else timestamp)

    def log_message(self, format, *args):
        """The log of requests is elsewhere."""


def respond(world, request):
    for part in (control.answer, metadata.answer, federation.answer, checkip):
        if request.path != "/" or part is metadata.answer and request.method == "GET" and not request.query:
            answer = part(world, request)
            if answer is not None:
                return answer
    if request.path != "/":
        return Answer(404, json.dumps({"error": "nothing here"}).encode(), "application/json")
    return quotas.answer(world, request) or query.answer(world, request)


def checkip(world, request):
    """As https://checkip.amazonaws.com/ says a client's address."""
    if request.path != "/checkip":
        return None
    return Answer(200, world.settings.checkip.encode() + b"\n", "text/plain")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, world):
        super().__init__(address, Handler)
        self.world = world

    def handle_error(self, request, client_address):
        """A client that goes away is no error."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()


def tick(world, stop):
    """What happens by itself as time goes by."""
    while not stop.wait(TICK):
        with world.lock:
            world.settle()


def serve(world, addresses, ready):
    """Serves at each (host, port) until the process is told to end; ready(ports) is called when all listen."""
    servers = [Server(address, world) for address in addresses]
    stop = threading.Event()
    threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True) for server in servers]
    threads.append(threading.Thread(target=tick, args=(world, stop), daemon=True))
    for thread in threads:
        thread.start()
    ready([server.server_address[1] for server in servers])
    return servers, stop
