// kill -9 while messages leave, forms are sent and callbacks are delivered: no request is lost, no card is stored
// twice, whoever lost an answer gets it, and each state is told under an id of its own. CARDAMOM_ROUNDS says how often.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { eventually } from "./lib/browser.mjs";
import { startMail } from "./lib/mail.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BINARY = resolve(ROOT, process.env.CARDAMOM_BIN ?? "target/debug/cardamom");
const ROUNDS = Number(process.env.CARDAMOM_ROUNDS ?? 5);

/** Published test numbers. */
const NUMBERS = ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117"];

const stops = [];
after(() => Promise.all(stops.map((stop) => stop())));

// Takes callbacks; those to /held get no answer while it holds them.
async function startReceiver() {
  const calls = [];
  const receiver = { calls, held: 0, holds: true };
  const http = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      calls.push({ id: request.headers["webhook-id"], ...JSON.parse(body) });
      if (request.url === "/held") receiver.held += 1;
      if (request.url !== "/held" || !receiver.holds) response.end();
    });
  });
  await new Promise((open) => http.listen(0, "127.0.0.1", open));
  stops.push(async () => http.closeAllConnections() ?? http.close());
  return Object.assign(receiver, { url: `http://127.0.0.1:${http.address().port}` });
}

// A server over one folder that is started and killed again and again, always at one address.
async function startNode(folder, mail) {
  const env = {
    ...process.env,
    CARDAMOM_SMTP_URL: mail.url,
    CARDAMOM_ALLOW_HTTP_CALLBACKS: "true",
    CARDAMOM_ALLOW_PRIVATE_ADDRESSES: "127.0.0.0/8",
  };
  const port = await new Promise((found) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => found(port));
    });
  });
  const node = { url: `http://127.0.0.1:${port}`, child: null };
  node.start = async () => {
    node.child = spawn(BINARY, ["serve", "--listen", `127.0.0.1:${port}`, "--data-dir", folder], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const lines = createInterface({ input: node.child.stderr });
    await new Promise((started, failed) => {
      lines.on("line", (line) => line.includes("serving") && started());
      lines.on("close", () => failed(new Error("the server did not start")));
    });
  };
  node.kill = async () => {
    const ended = new Promise((done) => node.child.once("exit", done));
    node.child.kill("SIGKILL");
    await ended;
  };
  return node;
}

test(`nothing is lost and nothing is stored twice over ${ROUNDS} kills`, { timeout: 60_000 + ROUNDS * 20_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "cardamom-kill-"));
  stops.push(() => rm(folder, { recursive: true, force: true }));
  const [mail, receiver] = [await startMail(), await startReceiver()];
  stops.push(mail.stop);
  const node = await startNode(folder, mail);
  stops.push(async () => node.child.kill("SIGKILL"));
  process.once("exit", () => node.child?.kill("SIGKILL"));
  await node.start();
  const { stdout } = await promisify(execFile)(BINARY, ["merchant", "create", "Kill", "--json", "--data-dir", folder]);
  const { user, password } = JSON.parse(stdout);
  const headers = { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
  const get = async (path) => (await fetch(node.url + path, { headers })).json();

  // What the server has acknowledged; an answer that never came promises nothing.
  const made = new Set();
  const filled = new Set();
  const gone = new Set();
  let count = 0;
  const make = async (name = `r${count++}`, path = "/status") => {
    const body = { RecipientEmail: `${name}@example.com`, CallbackUrl: receiver.url + path };
    const response = await fetch(`${node.url}/api/cardrequest`, { method: "POST", headers, body: JSON.stringify(body) });
    if (response.status === 201) made.add(response.headers.get("location").split("/").pop());
  };
  const fill = async (link) => {
    // One page, whose person tries again until there is an answer.
    const code = link.split("/").pop();
    const number = NUMBERS[parseInt(code.slice(0, 2), 16) % NUMBERS.length];
    const cvv = number.length === 15 ? "1234" : "123";
    const card = { submit_id: code, card_number: number, card_holder: "Ada", expiry: "05/31", cvv };
    const response = await fetch(link, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(card),
    });
    if (response.status === 200) filled.add(link);
    else if (response.status === 404) gone.add(link);
  };
  const linkOf = ({ text }) => /https?:\/\/\S+\/r\/[0-9a-f]{32}/.exec(text)[0];
  const links = () => new Set(mail.messages.map(linkOf));
  const open = () => [...links()].filter((link) => !filled.has(link));

  for (let round = 0; round < ROUNDS; round += 1) {
    // What the kill breaks off was promised nothing.
    const work = [make(), make(), make(), ...open().map(fill), ...open().map(fill)].map((one) => one.catch(() => {}));
    await new Promise((next) => setTimeout(next, randomInt(20, 400)));
    await node.kill();
    await Promise.all(work);
    await node.start();
  }

  // Everything comes to its end by itself, but for the forms, which people fill.
  const list = async () => {
    const items = [];
    for (let cursor = ""; cursor !== undefined; ) {
      const page = await get(`/api/cardrequest?limit=100&cursor=${cursor}`);
      items.push(...page.Items);
      cursor = page.NextCursor;
    }
    return items;
  };
  await eventually(async () => {
    await Promise.allSettled(open().map(fill));
    const items = await list();
    return items.length > 0 && items.every(({ Status }) => Status === "CardStored");
  }, "every request to be filled", 60_000);
  const items = await list();
  for (const id of made) assert.ok(items.some(({ RequestID }) => RequestID === id), "an acknowledged request is lost");
  assert.equal(new Set(items.map(({ CardUri }) => CardUri)).size, items.length);
  const cards = (await get("/v1/vault?user=managed&limit=1000")).managed;
  assert.equal(cards.length, items.length, "as many cards as requests");
  // Whoever lost an answer got it at the next try, and nobody was told that the link is over.
  await eventually(async () => {
    await Promise.allSettled(open().map(fill));
    return open().length === 0;
  }, "an answer for every form");
  assert.deepEqual([...gone], []);

  for (const { RequestID } of items) {
    const told = () => {
      const first = new Map();
      for (const call of receiver.calls.filter((call) => call.RequestID === RequestID)) {
        if (!first.has(call.id)) first.set(call.id, call.LastNotifiedStatus);
      }
      return [...first.values()];
    };
    await eventually(() => told().length >= 3, `the callbacks of ${RequestID}`, 60_000);
    assert.deepEqual(told(), ["MessageQueued", "FormViewed", "CardStored"]);
  }

  // A crash while a message leaves can send it twice; once its acceptance was recorded none does.
  const deliveries = async () => {
    const events = [];
    for (let next = ""; next !== null; ) {
      const page = await fetch(`${node.url}/v1/delivery?limit=1000${next && `&next_token=${next}`}`, { headers });
      events.push(...(await page.json()));
      next = page.headers.get("x-pcivault-next-token");
    }
    return events.filter(({ channel }) => channel === "mail");
  };
  // A message that was sent before a kill is given up where its form was stored before its next attempt.
  const recorded = async (count) => {
    const events = await deliveries();
    return events.length === count && events.every(({ state }) => state !== "waiting");
  };
  await eventually(() => recorded(items.length), "what became of every message", 60_000);
  // A callback whose answer is held back keeps a lease that ends after those of all messages before it.
  await make("held", "/held");
  await eventually(() => receiver.held > 0, "the callback that is held");
  await eventually(() => recorded(items.length + 1), "what became of the last message");
  const [sent, held] = [mail.messages.map(linkOf).sort(), receiver.held];
  await node.kill();
  receiver.holds = false;
  await node.start();
  await eventually(() => receiver.held > held, "the end of the dead server's leases", 60_000);
  // What is due earlier leaves earlier.
  await make("last");
  const isLast = ({ to }) => to[0].address === "last@example.com";
  await eventually(() => mail.messages.some(isLast), "a message from the new server");
  assert.deepEqual(mail.messages.filter((message) => !isLast(message)).map(linkOf).sort(), sent);
  await node.kill();
});
