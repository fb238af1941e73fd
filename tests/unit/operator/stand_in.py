"""A stand-in for a participant's process: answers 200 to everything on a port, ends with its lifeline.

Run as `stand_in.py PORT [MODE]`; `deaf` ignores SIGTERM, `mute` never answers, `broken` ends at once.
"""

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(b'{"ready": true}')

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sys.stdout.write(f"{self.path} {body.decode()}\n")
        sys.stdout.flush()
        self._answer(b'{"ready": true}')

    def _answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def end_with_lifeline():
    descriptor = os.environ.get("WHISPER_LIFELINE_FD")
    if descriptor is None:
        return
    while os.read(int(descriptor), 64):
        pass
    os._exit(0)


def main():
    port, mode = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    if mode == "broken":
        sys.exit("port 9 is in use")
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=end_with_lifeline, daemon=True).start()
    if mode == "mute":
        threading.Event().wait()
    ThreadingHTTPServer(("127.0.0.1", port), Answers).serve_forever()


if __name__ == "__main__":
    main()
