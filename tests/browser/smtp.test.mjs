// E-mails over TLS: a real mail server with a certificate of the tests' own authority, which the product trusts or not.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startAuthority } from "./lib/authority.mjs";
import { eventually } from "./lib/browser.mjs";
import { startCardamom } from "./lib/cardamom.mjs";
import { startMail } from "./lib/mail.mjs";

let trusted, stranger;

before(async () => {
  [trusted, stranger] = await Promise.all([startAuthority("Cardamom tests"), startAuthority("Somebody else")]);
});
after(() => Promise.all([trusted?.stop(), stranger?.stop()]));

// Sends one request by a mail server, with a product that trusts the first authority.
async function send(mail, seen) {
  const server = await startCardamom({
    env: { CARDAMOM_SMTP_URL: mail.url, CARDAMOM_MAIL_FROM: "cards@pay.example", SSL_CERT_FILE: trusted.file },
  });
  try {
    const merchant = await server.merchant("Shop");
    const response = await fetch(`${server.url}/api/cardrequest`, {
      method: "POST",
      headers: { authorization: merchant.login },
      body: JSON.stringify({ RecipientEmail: "ada@example.com" }),
    });
    assert.equal(response.status, 201);
    await eventually(() => seen(server), "what came of the message");
  } finally {
    await Promise.all([server.stop(), mail.stop()]);
  }
}

const arrived = (mail) => () => mail.messages.length > 0;
const failed = (server) => server.output.some((line) => line.includes("the mail server could not be used"));

for (const tls of ["implicit", "starttls"]) {
  test(`a message and its login travel under TLS: ${tls}`, async () => {
    const mail = await startMail({ tls, certificate: await trusted.certify("DNS:localhost"), host: "localhost" });
    await send(mail, arrived(mail));
    assert.equal(mail.messages[0].secure, true);
    assert.equal(mail.messages[0].to[0].address, "ada@example.com");
    assert.deepEqual(mail.logins, [{ username: "cards", secure: true }]);
  });

  test(`nothing is told to a server that an unknown authority vouches for: ${tls}`, async () => {
    const mail = await startMail({ tls, certificate: await stranger.certify("DNS:localhost"), host: "localhost" });
    await send(mail, failed);
    assert.deepEqual([mail.messages, mail.logins], [[], []]);
  });

  test(`nothing is told to a server whose certificate names another: ${tls}`, async () => {
    const mail = await startMail({ tls, certificate: await trusted.certify("DNS:mail.example"), host: "localhost" });
    await send(mail, failed);
    assert.deepEqual([mail.messages, mail.logins], [[], []]);
  });
}

test("nothing is told to a server without TLS where TLS is required", async () => {
  const mail = await startMail({ host: "localhost" });
  mail.url += "?tls=required";
  await send(mail, failed);
  assert.deepEqual([mail.messages, mail.logins], [[], []]);
});
