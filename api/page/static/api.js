// Calls of the gateway; nothing else of the page sends requests.
const KEY = "athena-key";

export class ApiError extends Error {
  constructor(status, header) {
    super(header.message || `HTTP ${status}`);
    this.status = status;
    this.code = header.code;
    this.errors = header.errors;
  }
}

/** The key lives as long as the tab, and goes nowhere but to this gateway. */
export const key = {
  get: () => sessionStorage.getItem(KEY) || "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

export async function call(path, { method = "GET", body, headers = {} } = {}) {
  const sent = { ...headers };
  if (key.get()) sent.Authorization = `Bearer ${key.get()}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers: sent, body: body && JSON.stringify(body) });
  } catch {
    throw new ApiError(0, { message: "the gateway does not answer" });
  }
  const document_ = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const error = new ApiError(answer.status, document_.header || {});
    if (answer.status === 401) document.dispatchEvent(new CustomEvent("key-wanted", { detail: error.message }));
    throw error;
  }
  return document_;
}

const part = encodeURIComponent;
export const abilities = () => call("v1/abilities").then((found) => found.abilities);
export const ability = (name) => call(`v1/abilities/${part(name)}`);
export const job = (id, wait = 0) => call(`v1/jobs/${part(id)}?wait=${wait}`);
export const submit = (name, body) =>
  call(`v1/private/${part(name)}`, { method: "POST", body, headers: { Prefer: "respond-async" } });
export const jobs = (query) => call(`v1/jobs?${new URLSearchParams(query)}`);
export const order = (path) => call(path, { method: "POST" });
