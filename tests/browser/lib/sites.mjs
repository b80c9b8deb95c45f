// Two sites beside Cardamom: a shop that frames the card page, and an elsewhere that writes down who comes.

import { createServer } from "node:http";

/** A shop on http://localhost, another site than the server's http://127.0.0.1. */
export async function startShop() {
  return startSite("localhost", (request, url) => {
    const frames = url.searchParams.getAll("frame");
    const parts = frames.map((frame, index) => `<iframe name="card${index}" src="${escaped(frame)}"></iframe>`);
    return `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Shop ${escaped(url.pathname)}</title>
<style>iframe{width:100%;height:46rem;border:0}</style><h1>Shop</h1>${parts.join("")}
<script>window.messages=[];addEventListener("message",e=>messages.push({origin:e.origin,data:e.data}))</script>`;
  });
}

/** A site of an attacker. Nothing in it invites anybody: whoever comes was sent. */
export async function startElsewhere() {
  return startSite("localhost", () => "<!DOCTYPE html><title>Elsewhere</title><h1>Elsewhere</h1>");
}

/** A site that answers what `page(request, url, response)` does; it may set headers before. */
export function startPages(page) {
  return startSite("localhost", page);
}

async function startSite(host, page) {
  const requests = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      const url = new URL(request.url, "http://site.invalid");
      requests.push({ method: request.method, path: url.pathname, query: url.searchParams, headers: request.headers, body });
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.setHeader("access-control-allow-origin", "*");
      response.end(page(request, url, response));
    });
  });
  await new Promise((open) => server.listen(0, "127.0.0.1", open));
  return {
    url: `http://${host}:${server.address().port}`,
    requests,
    /** Requests for pages and scripts that somebody asked for; browsers ask for icons by themselves. */
    visits: () => requests.filter(({ path }) => path !== "/favicon.ico"),
    framing(...frames) {
      const query = new URLSearchParams(frames.map((frame) => ["frame", frame]));
      return `${this.url}/?${query}`;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
