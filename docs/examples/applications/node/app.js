// An HTTP application in Node.js without packages. Run by: node docs/examples/applications/node/app.js
const http = require("http");

function answer(request, response, bytes) {
  const url = new URL(request.url, "http://application");
  if (url.pathname === "/up") return response.end("up\n");
  const reply = JSON.stringify({
    server: "node", method: request.method, path: url.pathname, host: request.headers.host,
    scheme: request.headers["x-forwarded-proto"], client: (request.headers["x-forwarded-for"] || "").split(", ").pop(),
    request_id: request.headers["x-request-id"], body_bytes: bytes,
  }) + "\n";
  const send = () => {
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(reply) });
    response.end(reply);
  };
  setTimeout(send, 1000 * Number(url.searchParams.get("sleep") || 0));
}

const server = http.createServer((request, response) => {
  let bytes = 0;
  request.on("data", (piece) => { bytes += piece.length; });
  request.on("end", () => answer(request, response, bytes));
});
// Longer than the worker's --upstream-idle-timeout, so that it is never Node.js that closes an idle connection.
server.keepAliveTimeout = 20_000;
server.headersTimeout = 21_000;
server.listen(Number(process.env.PORT || 3000), "127.0.0.1");

// SIGTERM: requests under way are finished, idle connections closed.
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
