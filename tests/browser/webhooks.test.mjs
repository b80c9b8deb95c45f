// Webhooks as a merchant's server gets them, checked by the official library of Standard Webhooks.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { Webhook } from "standardwebhooks";

import { startCardamom } from "./lib/cardamom.mjs";

let server, merchant, receiver;

before(async () => {
  receiver = await startReceiver();
  server = await startCardamom({
    env: { CARDAMOM_ALLOW_HTTP_CALLBACKS: "true", CARDAMOM_ALLOW_PRIVATE_ADDRESSES: "127.0.0.0/8" },
  });
  merchant = await server.merchant("Webhooks");
});
after(() => Promise.all([receiver?.stop(), server?.stop()]));

async function startReceiver() {
  const calls = [];
  const waiting = [];
  const http = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
      response.end("ok");
      const call = { headers: request.headers, body };
      const next = waiting.shift();
      if (next) next(call);
      else calls.push(call);
    });
  });
  await new Promise((open) => http.listen(0, "127.0.0.1", open));
  return {
    url: `http://127.0.0.1:${http.address().port}/hook`,
    next: () => (calls.length > 0 ? calls.shift() : new Promise((came) => waiting.push(came))),
    stop: () => new Promise((closed) => http.close(closed).closeAllConnections()),
  };
}

async function capture(endpoint) {
  const response = await fetch(server.url + endpoint.url, {
    method: "POST",
    headers: { "x-capture-secret": endpoint.secret },
    body: JSON.stringify({ card_number: "4111111111111111", card_holder: "Jürgen Müller", expiry: "05/31" }),
  });
  assert.equal(response.status, 200);
  return response.json();
}

test("the official library accepts a webhook, and nothing that was changed", async () => {
  const { secret } = await merchant.call("GET", "/v1/webhook/secret");
  assert.equal(secret, merchant.webhookSecret);
  const endpoint = await merchant.endpointWith({ webhook: { url: receiver.url, metadata: { order: "ä 17" } } });
  const { token } = await capture(endpoint);
  const call = await receiver.next();

  const event = new Webhook(secret).verify(call.body, call.headers);
  assert.equal(event.type, "card.captured");
  assert.equal(event.token_info.token, token);
  assert.equal(event.metadata.order, "ä 17");
  assert.equal(call.headers["content-length"], String(Buffer.byteLength(call.body)));

  assert.throws(() => new Webhook(secret).verify(`${call.body} `, call.headers));
  assert.throws(() => new Webhook(secret).verify(call.body, { ...call.headers, "webhook-id": "evt_other" }));
});

test("while a secret is rotated both the old and the new one verify", async () => {
  const before = (await merchant.call("GET", "/v1/webhook/secret")).secret;
  const { secret } = await merchant.call("POST", "/v1/webhook/secret/rotate");
  const endpoint = await merchant.endpointWith({ webhook: { url: receiver.url } });
  await capture(endpoint);
  const call = await receiver.next();
  new Webhook(before).verify(call.body, call.headers);
  new Webhook(secret).verify(call.body, call.headers);
});
