// A real server in a folder of its own, and a merchant's calls to it.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const BINARY = resolve(ROOT, process.env.CARDAMOM_BIN ?? "target/debug/cardamom");

/** Starts `cardamom serve` on a free port. `args` are further flags, `env` further settings. */
export async function startCardamom({ args = [], env = {} } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "cardamom-browser-"));
  const listen = `127.0.0.1:${await freePort()}`;
  const server = spawn(BINARY, ["serve", "--listen", listen, "--data-dir", folder, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // No server outlives its tests, however they end.
  process.once("exit", () => server.kill("SIGKILL"));
  const output = [];
  const ended = new Promise((done) => server.once("close", done));
  await new Promise((started, failed) => {
    const read = (stream) =>
      createInterface({ input: stream }).on("line", (line) => {
        output.push(line);
        if (line.includes("serving")) started();
      });
    read(server.stdout);
    read(server.stderr);
    server.once("error", failed);
    ended.then(() => failed(new Error(`cardamom did not start:\n${output.join("\n")}`)));
  });
  return {
    url: `http://${listen}`,
    output,
    merchant: (name) => createMerchant(`http://${listen}`, folder, name),
    async stop() {
      server.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function createMerchant(url, folder, name) {
  const args = ["merchant", "create", name, "--json", "--cvv-read", "--data-dir", folder];
  const { stdout } = await promisify(execFile)(BINARY, args);
  return new MerchantClient(url, JSON.parse(stdout));
}

/** What a merchant's backend does: makes endpoints and forms, reads cards. */
class MerchantClient {
  constructor(url, credentials) {
    this.url = url;
    this.webhookSecret = credentials.webhook_secret;
    /** Credentials and secrets of the invoice interface. */
    this.account = credentials;
    this.login = `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64")}`;
  }

  /** Answers the parsed body; anything but a success is an error. */
  call(method, path, body) {
    return this.callAs(this.login, method, path, body);
  }

  /** The same with the account of the invoice interface. */
  trade(method, path, body) {
    const { account_id, account_key } = this.account;
    return this.callAs(`Basic ${Buffer.from(`${account_id}:${account_key}`).toString("base64")}`, method, path, body);
  }

  async callAs(authorization, method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path.split("?")[0]}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  endpoint(query = {}) {
    return this.call("POST", `/v1/capture?${new URLSearchParams({ user: "managed", ...query })}`);
  }

  /** An endpoint whose creation has a body. */
  endpointWith(body) {
    return this.call("POST", "/v1/capture?user=managed", body);
  }

  form(body = {}) {
    return this.call("POST", "/v1/capture/iframe?form_type=pcd", encoded(body));
  }

  storeCard(members, reference = "") {
    return this.call("POST", `/v1/vault?${new URLSearchParams({ user: "managed", reference })}`, members);
  }

  readCard({ token, reference = "" }) {
    return this.call("GET", `/v1/vault?${new URLSearchParams({ user: "managed", token, reference })}`);
  }

  async listCards() {
    const listed = await this.call("GET", "/v1/vault?user=managed&return_card_metadata=true&limit=1000");
    return listed.managed ?? [];
  }

  /** The page's address, with the secret in the query as the interface's own samples have it. */
  pageUrl(form, endpoint, extra = {}) {
    const query = new URLSearchParams({ unique_id: idOf(endpoint), secret: endpoint.secret, ...extra });
    return `${this.url}/v1/capture/iframe/${form.id ?? form}?${query}`;
  }

  /** The page's address with the secret in the fragment. */
  fragmentUrl(form, endpoint) {
    return `${this.url}/v1/capture/iframe/${form.id ?? form}?unique_id=${idOf(endpoint)}#secret=${endpoint.secret}`;
  }

  /** A fresh endpoint and form. */
  async page(form = {}, endpoint = {}) {
    const made = { endpoint: await this.endpoint(endpoint), form: await this.form(form) };
    return { ...made, url: this.pageUrl(made.form, made.endpoint) };
  }
}

function idOf(endpoint) {
  return endpoint.url.split("/").at(-1);
}

/** Callbacks and sheets travel as base64. */
function encoded(body) {
  const texts = ["success_callback", "error_callback", "embedded_css", "embedded_js"];
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [
      name,
      texts.includes(name) ? Buffer.from(String(value)).toString("base64") : value,
    ]),
  );
}

export async function freePort() {
  const server = createServer();
  await new Promise((open) => server.listen(0, "127.0.0.1", open));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}
