#!/usr/bin/env python3
"""A WebSocket server and client of the standard library, as small as RFC 6455 allows.

    chat.py serve PORT        sends back what it gets, with its name and the path in front
    chat.py say URL TEXT...   says each text, and prints what comes back
"""

import argparse
import base64
import hashlib
import http.server
import os
import socket
import struct
import sys
import urllib.parse

TEXT, CLOSE = 1, 8


def accept(key):
    """The value of Sec-WebSocket-Accept for a key (RFC 6455, 4.2.2)."""
    magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1((key + magic).encode()).digest()).decode()


def masked(mask, data):
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


def send(out, opcode, data, mask=b""):
    """Sends one frame of at most 125 bytes; a client must mask it."""
    length = len(data) | (0x80 if mask else 0)
    out.write(bytes([0x80 | opcode, length]) + mask + (masked(mask, data) if mask else data))
    out.flush()


def receive(source):
    """The next frame; the end of the stream is a CLOSE."""
    head = source.read(2)
    if len(head) < 2:
        return CLOSE, b""
    length = head[1] & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", source.read(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", source.read(8))
    mask = source.read(4) if head[1] & 0x80 else b""
    data = source.read(length)
    return head[0] & 0x0F, masked(mask, data) if mask else data


class Chat(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() != "websocket":
            self.send_response(426)
            self.send_header("Upgrade", "websocket")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept(self.headers["Sec-WebSocket-Key"]))
        self.end_headers()
        self.close_connection = True
        opcode, data = receive(self.rfile)
        while opcode == TEXT:
            send(self.wfile, TEXT, f"chat at {self.path} got: ".encode() + data[:64])
            opcode, data = receive(self.rfile)
        send(self.wfile, CLOSE, b"")

    def log_message(self, *_):
        pass


def serve(port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Chat)
    print(f"listening at 127.0.0.1:{port}", flush=True)
    server.serve_forever()


def say(url, texts, host):
    url = urllib.parse.urlsplit(url)
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection((url.hostname, url.port or 80), timeout=20) as connection:
        stream = connection.makefile("rwb")
        stream.write(
            f"GET {url.path or '/'} HTTP/1.1\r\nHost: {host or url.netloc}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        stream.flush()
        status = stream.readline().decode().strip()
        print(status)
        headers = {}
        while line := stream.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if " 101 " not in status:
            return 1
        if headers.get("sec-websocket-accept") != accept(key):
            print("this is not the answer to our key")
            return 1
        for text in texts:
            send(stream, TEXT, text.encode()[:125], os.urandom(4))
            print(receive(stream)[1].decode())
        send(stream, CLOSE, b"", os.urandom(4))
        print("closed" if receive(stream)[0] == CLOSE else "not closed")
    return 0


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
commands = parser.add_subparsers(dest="command", required=True)
serving = commands.add_parser("serve")
serving.add_argument("port", type=int)
saying = commands.add_parser("say")
saying.add_argument("--host", help="another Host header than the URL's")
saying.add_argument("url")
saying.add_argument("text", nargs="+")
args = parser.parse_args()
try:
    sys.exit(serve(args.port) if args.command == "serve" else say(args.url, args.text, args.host))
except KeyboardInterrupt:
    pass
