// Both ends of the proxy's benchmark: a TLS server that takes calls and does not answer, but those at /large, and callers
// that wait.
//   node proxy.mjs slow PORT CERT KEY FILE     writes into FILE how many calls are open
//   node proxy.mjs call COUNT URL USER:PASSWORD DESTINATION
//   node proxy.mjs large COUNT URL USER:PASSWORD DESTINATION FILE   calls of a megabyte; FILE: how many were answered

import { writeFileSync, readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

const megabyte = Buffer.alloc(1024 * 1024, "y");
const [mode, ...rest] = process.argv.slice(2);
if (mode === "slow") {
  const [port, cert, key, file] = rest;
  let open = 0;
  const count = (change) => {
    open += change;
    writeFileSync(file, String(open));
  };
  https
    .createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
      count(1);
      response.on("close", () => count(-1));
      request.resume();
      if (request.url === "/large") request.on("end", () => response.end(megabyte));
    })
    .listen(Number(port), "127.0.0.1");
} else {
  const [count, url, credentials, destination, file] = rest;
  const headers = [{ "Content-Type": "text/plain" }];
  const more = mode === "large" ? "x".repeat(megabyte.length - 16) : "";
  const body = JSON.stringify({ request: { url: destination, headers, body: `{{card_number}}${more}` } });
  let answered = 0;
  const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
  const call = () => {
    const again = () => setTimeout(call, 10);
    const request = http.request(url, { method: "POST", auth: credentials, agent }, (response) => {
      response.resume();
      response.on("end", () => {
        if (file && response.statusCode === 200) writeFileSync(file, String((answered += 1)));
      });
      response.on("close", again);
    });
    request.on("error", again);
    request.end(body);
  };
  for (let started = 0; started < Number(count); started += 1) call();
}
