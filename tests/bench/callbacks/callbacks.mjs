// Measures how soon callbacks and e-mails of card requests leave, beside a bare POST. Called by ../callbacks.sh.

import { createServer } from "node:http";
import { loadavg } from "node:os";

import { eventually } from "../../browser/lib/browser.mjs";
import { startCardamom } from "../../browser/lib/cardamom.mjs";
import { startMail } from "../../browser/lib/mail.mjs";

const CALLS = Number(process.env.CALLS ?? 200);
/** What is promised of the first attempt, in ms after the commit. */
const MOST = 300;

const receiver = await startReceiver();
const mail = await startMail();
const server = await startCardamom({
  env: {
    CARDAMOM_LIMITS: "off",
    CARDAMOM_SMTP_URL: mail.url,
    CARDAMOM_ALLOW_HTTP_CALLBACKS: "true",
    CARDAMOM_ALLOW_PRIVATE_ADDRESSES: "127.0.0.0/8",
  },
});
try {
  await measure(await server.merchant("Bench"));
} finally {
  await server.stop();
  await mail.stop();
  receiver.stop();
}

async function startReceiver() {
  const arrived = new Map();
  const http = createServer((request, response) => {
    // The head is there; the body of a callback is smaller than a packet.
    const at = performance.now();
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      const { RequestID, LastNotifiedStatus } = JSON.parse(body);
      arrived.set(`${RequestID} ${LastNotifiedStatus}`, at);
      response.end();
    });
  });
  await new Promise((open) => http.listen(0, "127.0.0.1", open));
  return {
    arrived,
    url: `http://127.0.0.1:${http.address().port}/status`,
    stop: () => http.closeAllConnections() ?? http.close(),
  };
}

// One after the other, so that nothing waits for anything but the server.
async function measure(merchant) {
  const samples = { "bare POST": [], "callback of a new request": [], "callback of a touched form": [], "message to the mail server": [] };
  console.log(`load average at the start: ${loadavg()[0].toFixed(1)}`);
  for (let call = 0; call < CALLS; call += 1) {
    const bare = JSON.stringify({ RequestID: `bare${call}`, LastNotifiedStatus: "MessageQueued" });
    samples["bare POST"].push(await until(`bare${call} MessageQueued`, () => post(receiver.url, bare)));

    const address = `r${call}@example.com`;
    const started = performance.now();
    const body = JSON.stringify({ RecipientEmail: address, CallbackUrl: receiver.url });
    const made = await post(`${server.url}/api/cardrequest`, body, { authorization: merchant.login });
    const id = made.headers.get("location").split("/").pop();
    const queued = await eventually(() => receiver.arrived.get(`${id} MessageQueued`), "a callback");
    samples["callback of a new request"].push(queued - started);
    const message = await eventually(() => mail.messages.find(({ to }) => to[0].address === address), "a message");
    samples["message to the mail server"].push(message.at - started);

    const [link] = /https?:\/\/\S+\/r\/[0-9a-f]{32}/.exec(message.text);
    const touched = await until(`${id} FormViewed`, () => post(`${link}/viewed`, ""));
    samples["callback of a touched form"].push(touched);
  }
  console.log(`\n| ms from the call to the arrival | median | 95 of 100 | 99 of 100 | most |\n| --- | --- | --- | --- | --- |`);
  for (const [name, list] of Object.entries(samples)) {
    const sorted = list.sort((a, b) => a - b);
    const cells = [0.5, 0.95, 0.99, 1].map((part) => sorted[Math.ceil(sorted.length * part) - 1].toFixed(1));
    console.log(`| ${name} | ${cells.join(" | ")} |`);
    if (sorted.at(-1) > MOST) process.exitCode = 1;
  }
  console.log(`\n${CALLS} calls each; load average at the end: ${loadavg()[0].toFixed(1)}; at most ${MOST} ms is promised`);
}

/** How long after the beginning of a call something arrives. */
async function until(name, call) {
  const started = performance.now();
  await call();
  return (await eventually(() => receiver.arrived.get(name), name)) - started;
}

async function post(url, body, headers = {}) {
  const response = await fetch(url, { method: "POST", headers, body });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  await response.text();
  return response;
}
