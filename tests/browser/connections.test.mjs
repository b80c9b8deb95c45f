// The bound on connections, at the program itself.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";

import * as b from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";

/** Opens a connection; it is kept until `close`. */
async function open(port) {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await new Promise((done) => socket.once("connect", done));
  return { socket, close: () => socket.destroy() };
}

/** What the server says on a connection of its own: a status line, or nothing where it is closed at once. */
async function answer(port) {
  const { socket } = await open(port);
  let text = "";
  socket.on("data", (chunk) => (text += chunk));
  const ended = new Promise((done) => socket.once("close", done));
  socket.write("GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
  await ended;
  return text.split("\r\n")[0];
}

test("connections above max_connections are closed at once, until one ends", async () => {
  const server = await startCardamom({ env: { CARDAMOM_MAX_CONNECTIONS: "2" } });
  const port = Number(new URL(server.url).port);
  const kept = [await open(port), await open(port)];
  try {
    assert.equal(await answer(port), "");
    kept.pop().close();
    await b.eventually(async () => (await answer(port)).startsWith("HTTP/1.1 200"), "a place");
    assert.equal(server.output.filter((line) => line.includes("max_connections")).length > 0, true);
  } finally {
    for (const { close } of kept) close();
    await server.stop();
  }
});
