// Both ends of the proxy's benchmark: a TLS server that takes calls and does not answer, and callers that wait.
//   node proxy.mjs slow PORT CERT KEY FILE     writes into FILE how many calls are open
//   node proxy.mjs call COUNT URL USER:PASSWORD DESTINATION

import { writeFileSync, readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

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
    })
    .listen(Number(port), "127.0.0.1");
} else {
  const [count, url, credentials, destination] = rest;
  const body = JSON.stringify({ request: { url: destination, body: '{"pan":"{{card_number}}"}' } });
  const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
  const call = () => {
    const again = () => setTimeout(call, 10);
    const request = http.request(url, { method: "POST", auth: credentials, agent }, (response) => {
      response.resume();
      response.on("close", again);
    });
    request.on("error", again);
    request.end(body);
  };
  for (let started = 0; started < Number(count); started += 1) call();
}
