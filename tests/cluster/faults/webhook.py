#!/usr/bin/env python3
"""webhook.py CERTIFICATE KEY: an admission webhook over TLS; says its port. /deny says no, /hang says nothing, all else yes."""

import http.server
import json
import ssl
import sys
import time


class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/hang"):
            time.sleep(60)
        response = {"uid": review["request"]["uid"], "allowed": not self.path.startswith("/deny")}
        if not response["allowed"]:
            response["status"] = {"message": "no settings without a level", "code": 403}
        body = json.dumps({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
