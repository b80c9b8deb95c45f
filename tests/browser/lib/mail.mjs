// A mail server that wants a login and keeps what it takes: in clear, or with TLS from the start or by STARTTLS.

import PostalMime from "postal-mime";
import { SMTPServer } from "smtp-server";

/** `tls` is "implicit", "starttls" or nothing; `certificate` holds `key` and `cert`; `host` names the server. */
export async function startMail({ tls, certificate = {}, host = "127.0.0.1" } = {}) {
  const messages = [];
  const logins = [];
  const refused = [];
  const smtp = new SMTPServer({
    ...certificate,
    secure: tls === "implicit",
    allowInsecureAuth: !tls,
    disabledCommands: tls === "starttls" ? [] : ["STARTTLS"],
    onAuth({ username, password }, session, done) {
      logins.push({ username, secure: session.secure });
      if (username === "cards" && password === "secret") done(null, { user: username });
      else done(new Error("no"));
    },
    onMailFrom(_, session, done) {
      session.begun = performance.now();
      done();
    },
    onData(stream, session, done) {
      const chunks = [];
      stream.on("data", (chunk) => chunks.push(chunk));
      stream.on("end", async () => {
        const parsed = await PostalMime.parse(Buffer.concat(chunks));
        messages.push({ ...parsed, envelope: session.envelope, secure: session.secure, at: session.begun });
        done();
      });
    },
  });
  // Connections of servers that were killed break, and those of clients that trust another authority.
  smtp.on("error", (error) => refused.push(error));
  await new Promise((open) => smtp.listen(0, "127.0.0.1", open));
  return {
    messages,
    logins,
    refused,
    url: address(tls, host, smtp.server.address().port),
    stop: () => new Promise((closed) => smtp.close(closed)),
  };
}

function address(tls, host, port) {
  const login = `cards:secret@${host}:${port}`;
  if (tls === "implicit") return `smtps://${login}`;
  return tls === "starttls" ? `smtp://${login}?tls=required` : `smtp://${login}`;
}
