// A certificate authority of the tests' own, made by openssl.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Makes an authority; `file` is its certificate. */
export async function startAuthority(name) {
  const folder = await mkdtemp(join(tmpdir(), "cardamom-authority-"));
  const at = (file) => join(folder, file);
  const own = ["-keyout", at("authority.key"), "-out", at("authority.pem")];
  await run("openssl", ["req", "-x509", ...KEY, "-days", "7", "-subj", `/CN=${name}`, ...own]);
  return {
    file: at("authority.pem"),
    stop: () => rm(folder, { recursive: true, force: true }),

    /** Key and certificate of a server, for one name or address such as `DNS:localhost`. */
    async certify(subject) {
      const request = ["-keyout", at("server.key"), "-out", at("server.csr")];
      const names = ["-subj", "/CN=server", "-addext", `subjectAltName=${subject}`];
      await run("openssl", ["req", ...KEY, ...names, ...request]);
      const signer = ["-CA", at("authority.pem"), "-CAkey", at("authority.key"), "-CAcreateserial"];
      const files = ["-in", at("server.csr"), "-out", at("server.crt"), "-copy_extensions", "copy"];
      await run("openssl", ["x509", "-req", "-days", "7", ...signer, ...files]);
      return { key: await readFile(at("server.key")), cert: await readFile(at("server.crt")) };
    },
  };
}
