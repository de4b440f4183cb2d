#!/usr/bin/env python3
"""Backends that say who they are, and a client that counts whom it met. Loopback only.

    try.py serve NAME=PORT…     a backend on each port: it greets with its name, then echoes every line
    try.py ask PORT [TIMES [CLIENTS]]
                                connects TIMES times (default 100) and counts the names; from so many addresses in
                                turn, 127.77.0.1 and on, where CLIENTS says so
"""
import collections
import socket
import socketserver
import sys
import threading


def backend(name, port):
    class Greet(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(f"{name}\n".encode())
            for line in self.rfile:
                self.wfile.write(f"{name}: ".encode() + line)

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer.daemon_threads = True
    server = socketserver.ThreadingTCPServer(("127.0.0.1", port), Greet)
    threading.Thread(target=server.serve_forever).start()


def ask(port, source):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5, source_address=source) as connection:
            connection.shutdown(socket.SHUT_WR)
            return connection.makefile().readline().strip() or "closed without a word"
    except OSError as error:
        return error.strerror or str(error)


def client(number):
    return (f"127.77.{number // 250}.{number % 250 + 1}", 0)


def main(arguments):
    if len(arguments) >= 2 and arguments[0] == "serve":
        for argument in arguments[1:]:
            name, _, port = argument.partition("=")
            backend(name, int(port))
    elif len(arguments) in (2, 3, 4) and arguments[0] == "ask":
        times = int(arguments[2]) if len(arguments) > 2 else 100
        clients = int(arguments[3]) if len(arguments) > 3 else None
        sources = (client(time % clients) if clients else None for time in range(times))
        met = collections.Counter(ask(int(arguments[1]), source) for source in sources)
        for name, count in sorted(met.items()):
            print(f"{count:6} {name}")
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
