"""A program that judges mail by HTTP, for scripts/scanners.sh. Its arguments are the port, and a file with the secret."""
import email.parser
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = open(sys.argv[2], "rb").readline().strip()


class Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.reply(405, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signature = dict(p.split("=", 1) for p in self.headers["Postroad-Signature"].split(","))
        right = hmac.new(SECRET, signature["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, signature["v1"]) or abs(time.time() - int(signature["t"])) > 300:
            return self.reply(403, b"{}")
        head = b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n"
        envelope, message = email.parser.BytesParser().parsebytes(head + body).get_payload()
        envelope = json.loads(envelope.get_payload())
        answer = {"fields": [{"name": "X-Hook", "value": "seen " + envelope["id"]}]}
        if "hook, refuse" in message.as_string():
            answer = {"action": "reject", "text": "The hook says no"}
        self.reply(200, json.dumps(answer).encode())

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()
