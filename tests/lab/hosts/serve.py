#!/usr/bin/env python3
"""The lab's web server: serve.py ADDRESS MIRROR MINE. What the hosts install and download, with the faults of a bad line.

/...          the mirror's folder;   /mine/...  the folder MINE, in which a test puts what it needs
/cut/N/...    the connection dies after N bytes, whatever was promised;   /slow/N/...  N bytes a second
A file X.location: X answers 302, to what stands in it.
/norange/...  knows nothing of ranges;   /status/N/...  answers N;   /auth/...  wants `Authorization: Bearer open-sesame`
One line of the log (stdout) a request: method, path, range or `-`, status.
"""
import os, re, sys, time
from urllib.parse import unquote
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, fault = unquote(self.path.split("?")[0]), {}
        while found := re.match(r"/(?:(cut|slow|status)/(\d+)|(norange|auth))(/.*)", path):
            fault[found[1] or found[3]] = int(found[2] or 1)
            path = found[4]
        base, rest = (MINE, path[6:]) if path.startswith("/mine/") else (MIRROR, path[1:])
        file = os.path.join(base, rest)
        if fault.get("auth") and self.headers.get("Authorization") != "Bearer open-sesame":
            return self.refuse(401)
        if "status" in fault:
            return self.refuse(fault["status"])
        if ".." not in path and os.path.isfile(file + ".location"):
            with open(file + ".location") as location:
                return self.refuse(302, ("Location", location.read().strip()))
        if ".." in path or not os.path.isfile(file):
            return self.refuse(404)
        size, start, end = os.path.getsize(file), 0, None
        tag = '"%d-%d"' % (size, os.stat(file).st_mtime_ns)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and "norange" not in fault and self.headers.get("If-Range", tag) == tag:
            start, end = int(wanted[1]), int(wanted[2] or size - 1)
            if start >= size:
                return self.refuse(416, ("Content-Range", "bytes */%d" % size))
        last = min(size - 1 if end is None else end, size - 1)
        self.send_response(200 if end is None else 206)
        if end is not None:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (start, last, size))
        if "norange" not in fault:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(last - start + 1))
        self.end_headers()
        if self.command == "HEAD":
            return
        left, allowed = last - start + 1, fault.get("cut", size + 1)
        with open(file, "rb") as data:
            data.seek(start)
            while left:
                part = data.read(min(left, allowed, fault.get("slow", 1 << 17)))
                if not part:
                    self.close_connection = True
                    return
                self.wfile.write(part)
                left, allowed = left - len(part), allowed - len(part)
                if "slow" in fault:
                    time.sleep(1)

    do_HEAD = do_GET

    def refuse(self, status, *headers):
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code="-", size="-"):
        print(self.command, self.path, self.headers.get("Range", "-"), int(code), flush=True)

    def log_message(self, *_):
        pass


ADDRESS, MIRROR, MINE = sys.argv[1:]
ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer((ADDRESS, 80), Handler).serve_forever()
