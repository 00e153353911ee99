"""A mail server that takes everything and remembers the Message-ID of each mail it took responsibility for."""
import socketserver
import threading


class _Session(socketserver.StreamRequestHandler):
    def reply(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        try:
            self.talk()
        except OSError:
            pass  # the client was killed

    def talk(self):
        self.reply("220 sink")
        while True:
            line = self.rfile.readline()
            if not line:
                return
            verb = line[:4].upper()
            if verb == b"QUIT":
                self.reply("221 bye")
                return
            if verb == b"DATA":
                self.reply("354 go on")
                if not self.take():
                    return
                self.reply("250 taken")
            elif verb == b"EHLO":
                self.reply("250-sink\r\n250 8BITMIME")
            else:
                self.reply("250 ok")

    def take(self):
        lines = []
        while True:
            line = self.rfile.readline()
            if not line:
                return False  # cut off before the end: not taken
            if line == b".\r\n":
                break
            lines.append(line)
        self.server.sink.took(lines)
        return True


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class SmtpSink:
    def __init__(self):
        self._lock = threading.Lock()
        self._ids = {}
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.sink = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def took(self, lines):
        for line in lines:
            if line.lower().startswith(b"message-id:"):
                message_id = line.split(b":", 1)[1].strip().decode()
                with self._lock:
                    self._ids[message_id] = self._ids.get(message_id, 0) + 1
                return

    def message_ids(self):
        with self._lock:
            return dict(self._ids)

    def close(self):
        self._server.shutdown()
