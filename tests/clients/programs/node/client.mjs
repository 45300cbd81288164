// The cases with one of Node's clients: client.mjs CLIENT URL FOLDER SILENCE_S CASE...
import http from "node:http";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const [client, url, folder, silence, ...names] = process.argv.slice(2);
const JSON_TYPE = { "Content-Type": "application/json" };
const bodyOf = (name) => readFileSync(`${folder}/${name}.json`);
class GaveUp extends Error {}

async function* pieces(body) {
  for (let at = 0; at < body.length; at += 16384) yield body.subarray(at, at + 16384);
}

const agent = new http.Agent({ keepAlive: true });

const clients = {
  async fetch(target, body, headers, timeoutMs, chunked) {
    try {
      const answer = await fetch(target, {
        method: "POST", headers, body: chunked ? ReadableStream.from(pieces(body)) : body,
        signal: AbortSignal.timeout(timeoutMs), ...(chunked ? { duplex: "half" } : {}),
      });
      return [answer.status, await answer.text()];
    } catch (error) {
      if (error.name === "TimeoutError") throw new GaveUp();
      throw error.cause ?? error;
    }
  },
  http(target, body, headers, timeoutMs, chunked) {
    return new Promise((resolve, reject) => {
      const length = chunked ? {} : { "Content-Length": body.length };
      const request = http.request(target, { method: "POST", agent, headers: { ...headers, ...length } }, (answer) => {
        let text = "";
        answer.on("data", (part) => (text += part));
        answer.on("end", () => resolve([answer.statusCode, text]));
        answer.on("error", reject);
      });
      request.setTimeout(timeoutMs, () => request.destroy(new GaveUp()));
      request.on("error", reject);
      if (chunked) (async () => { for await (const part of pieces(body)) request.write(part); request.end(); })();
      else request.end(body);
    });
  },
  async axios(target, body, headers, timeoutMs, chunked) {
    const { default: axios } = await import("axios");
    const { Readable } = await import("node:stream");
    try {
      const answer = await axios.post(target, chunked ? Readable.from(pieces(body)) : body, {
        headers, timeout: timeoutMs, httpAgent: agent, validateStatus: null, responseType: "text",
        transformResponse: (text) => text, maxBodyLength: Infinity, maxContentLength: Infinity,
      });
      return [answer.status, answer.data];
    } catch (error) {
      if (error.code === "ECONNABORTED") throw new GaveUp();
      throw error;
    }
  },
};

function expect([status, text], wanted, part) {
  if (status !== wanted) throw new Error(`${status} in place of ${wanted}: ${text.slice(0, 200)}`);
  if (!text.includes(part)) throw new Error(`not in the answer: ${part.slice(0, 60)}: ${text.slice(0, 200)}`);
}

const post = (name, { path = "echo", headers = JSON_TYPE, timeoutMs = 60000, chunked = false } = {}) =>
  clients[client](`${url}/${path}`, bodyOf(name), headers, timeoutMs, chunked);
const call = async () => expect(await post("call"), 200, "aGVsbG8=");

const cases = {
  call,
  async keepalive() { for (let i = 0; i < 200; i++) await call(); },
  async parallel() { await Promise.all(Array.from({ length: 20 }, call)); },
  async upload() {
    expect(await post("upload"), 200, JSON.parse(bodyOf("upload")).payload.text.text);
  },
  async error() { expect(await post("bad"), 400, '"errors"'); await call(); },
  async slow() { expect(await post("slow", { path: "patient" }), 200, '"payload"'); },
  async abort() {
    try { await post("slow", { path: "patient", timeoutMs: 300 }); }
    catch (error) { if (error instanceof GaveUp) return call(); throw error; }
    throw new Error("it did not give up");
  },
  async charset() {
    expect(await post("call", { headers: { "Content-Type": "application/json; charset=utf-8" } }), 200, "aGVsbG8=");
  },
  async chunked() { expect(await post("call", { chunked: true }), 200, "aGVsbG8="); },
  async silence() { await call(); await sleep(Number(silence) * 1000); await call(); },
  async early() {
    // fetch sets Connection itself and refuses to be told.
    const headers = client === "fetch" ? JSON_TYPE : { ...JSON_TYPE, Connection: "close" };
    expect(await post("early", { path: "nobody", headers }), 404, '"header"');
  },
};

for (const name of names) {
  try { await cases[name](); console.log(`${name}\tok`); }
  catch (error) { console.log(`${name}\tfailed\t${error.name}: ${String(error.message).replace(/\s+/g, " ").slice(0, 300)}`); }
}
process.exit(0);
