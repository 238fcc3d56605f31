# SPDX-License-Identifier: Apache-2.0
"""What tests let others be: an HTTP server on 127.0.0.1, in threads of its own. Stdlib only.

Its port is its own from the beginning to the end of the test, also while it is down: nobody else
can be given it meanwhile, and who connects is refused.
"""
import socket, ssl, sys, threading
from http.server import ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    allow_reuse_address = daemon_threads = True

    def handle_error(self, request, address):
        """Who asked may end at any time; all else is told."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, address)


class UnixServer(Server):
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "unix", 0


def kept_port(address=("127.0.0.1", 0)):
    """A socket that has a port and does not listen."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address)
    return s


def context_of(cert, key):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(cert, key)
    return c


class Web:
    """tls: (certificate, key)."""
    def __init__(self, handler, tls=None, start=True):
        self.handler, self.tls, self._kept = handler, tls, kept_port()
        self.port = self._kept.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        if start:
            self.start()

    def start(self):
        self.server = Server(("127.0.0.1", self.port), self.handler)
        if self.tls:                                    # hands are shaken in the thread of each
            self.server.socket = context_of(*self.tls).wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
