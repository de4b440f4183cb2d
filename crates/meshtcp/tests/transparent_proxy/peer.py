#!/usr/bin/env python3
"""Both ends of a connection: `serve ADDRESS PORT`, and `dial USER ADDRESS PORT [SOURCE]`; `ask USER NAME` looks a name up, `asks USER
SERVER NAME TIMES` asks a server for it over and over, and says how often there was an address."""
import encodings.idna  # not to be read any more as another user
import os
import socket
import struct
import sys
import threading

ORIGINAL = 80


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def dialled(connection):
    """Where a connection was to go, if that is not here."""
    try:
        if connection.family == socket.AF_INET6:
            raw = connection.getsockopt(41, ORIGINAL, 28)
            address, shown = socket.inet_ntop(socket.AF_INET6, raw[8:24]), "[{}]:{}"
        else:
            raw = connection.getsockopt(0, ORIGINAL, 16)
            address, shown = socket.inet_ntoa(raw[4:8]), "{}:{}"
        port = struct.unpack_from("!H", raw, 2)[0]
        return "here" if (address, port) == connection.getsockname()[:2] else shown.format(address, port)
    except OSError:
        return "here"


def serve(address, port):
    listener = socket.socket(family(address))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen()
    while True:
        connection, _ = listener.accept()

        def answer(connection=connection):
            connection.sendall(f"{port} for {dialled(connection)}".encode())
            connection.close()

        threading.Thread(target=answer).start()


def dial(address, port, source=None):
    connection = socket.socket(family(address))
    connection.settimeout(3)
    if source:
        connection.bind((source, 0))
    try:
        connection.connect((address, port))
        return connection.recv(100).decode()
    except OSError:
        return "refused"


match sys.argv[1:]:
    case ["serve", address, port]:
        serve(address, int(port))
    case ["dial", user, address, port, *source]:
        os.setuid(int(user))
        print(dial(address, int(port), *source))
    case ["ask", user, name]:
        os.setuid(int(user))
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            print(" ".join(sorted({it[4][0] for it in found})))
        except socket.gaierror as error:
            print({-2: "no such name", -5: "no address", -3: "failed"}.get(error.errno, error))
    case ["asks", user, server, name, times]:
        os.setuid(int(user))
        labels = b"".join(bytes([len(it)]) + it.encode() for it in name.split("."))
        query = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, 1, 1)
        answered = 0
        for _ in range(int(times)):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.settimeout(5)
                peer.connect((server, 53))
                peer.send(query)
                answered += peer.recv(4096)[7] > 0
        print(f"{answered} of {times}")
