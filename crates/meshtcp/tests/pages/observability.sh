# a collector that writes down what it is asked
python3 -c '
import http.server
class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with open("/mnt/told", "ab") as told:
            told.write(self.path.encode() + b" " + body.replace(b"\n", b" ") + b"\n")
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 4318), Collector).serve_forever()
' &
soon bash -c '< /dev/tcp/127.0.0.1/4318'
run opentelemetry.1
soon curl -sf localhost:9901/ready
takes_connections 20200
kill %2
# what is no text is searched byte by byte
export LC_ALL=C
for path in logs metrics traces; do
  soon grep -aq "^/v1/$path .*deployment.environment.name.*meshtcp-up" /mnt/told
done
soon grep -aq 'meshtcp_connections_accepted' /mnt/told
soon grep -aq 'outbound:127.0.0.1:20200' /mnt/told
