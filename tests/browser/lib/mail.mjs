// A mail server that wants a login and keeps what it takes.

import PostalMime from "postal-mime";
import { SMTPServer } from "smtp-server";

export async function startMail() {
  const messages = [];
  const smtp = new SMTPServer({
    allowInsecureAuth: true,
    disabledCommands: ["STARTTLS"],
    onAuth: ({ username, password }, _, done) =>
      username === "cards" && password === "secret" ? done(null, { user: username }) : done(new Error("no")),
    onData(stream, session, done) {
      const chunks = [];
      stream.on("data", (chunk) => chunks.push(chunk));
      stream.on("end", async () => {
        const parsed = await PostalMime.parse(Buffer.concat(chunks));
        messages.push({ ...parsed, envelope: session.envelope });
        done();
      });
    },
  });
  // Connections of servers that were killed break.
  smtp.on("error", () => {});
  await new Promise((open) => smtp.listen(0, "127.0.0.1", open));
  return {
    messages,
    url: `smtp://cards:secret@127.0.0.1:${smtp.server.address().port}`,
    stop: () => new Promise((closed) => smtp.close(closed)),
  };
}
