// From what was filled in to a request: as JSON, and to paste as curl and Python.

/** Returns the plain request; `values` holds texts of fields, and files as {name, url}. */
export function bodyOf(ability, values) {
  const body = {};
  for (const input of ability.inputs) {
    const value = values[input.key];
    if (value === undefined || value === "") continue;
    if (value.url) body[input.key] = input.type === 0 ? value.text : value.url;
    else body[input.key] = value;
    if (input.is_json) body[input.key] = parsed(input.key, body[input.key]);
  }
  for (const param of ability.params) {
    const value = values[param.key];
    if (value !== undefined && value !== "") body[param.key] = typed(param, value);
  }
  for (const name of ["priority", "gpu_type"]) if (values[name]) body[name] = values[name];
  return body;
}

function parsed(key, text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${key} is not JSON: ${error.message}`);
  }
}

function typed(param, text) {
  if (param.json_type === "boolean") return text === "true";
  return ["integer", "number"].includes(param.json_type) ? Number(text) : text;
}

/** Returns the files among the values, by their inputs. */
export function filesOf(ability, values) {
  return ability.inputs.filter((input) => values[input.key]?.url).map((input) => [input.key, values[input.key].name]);
}

const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

/** What a form's field is called and holds. */
function fields(body, files) {
  const names = new Set(files.map(([key]) => key));
  return Object.entries(body)
    .filter(([key]) => !names.has(key))
    .map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]);
}

export function curlOf(url, body, files, hasKey) {
  const lines = [`curl ${quoted(url)}`];
  if (hasKey) lines.push(`-H "Authorization: Bearer $ATHENA_KEY"`);
  if (files.length) {
    // A value that begins with @ or < would be taken for a file.
    for (const [key, value] of fields(body, files)) lines.push(`--form-string ${quoted(`${key}=${value}`)}`);
    for (const [key, name] of files) lines.push(`-F ${quoted(`${key}=@${name}`)}`);
  } else {
    lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
  }
  return lines.join(" \\\n     ");
}

export function pythonOf(url, body, files, hasKey) {
  const imports = hasKey ? "import os\n\nimport requests" : "import requests";
  const given = [JSON.stringify(url)];
  if (files.length) {
    given.push(`data=${literal(Object.fromEntries(fields(body, files)))}`);
    const opened = files.map(([key, name]) => `${JSON.stringify(key)}: open(${JSON.stringify(name)}, "rb")`);
    given.push(`files={${opened.join(", ")}}`);
  } else {
    given.push(`json=${literal(body)}`);
  }
  if (hasKey) given.push('headers={"Authorization": "Bearer " + os.environ["ATHENA_KEY"]}');
  return `${imports}\n\nanswer = requests.post(\n    ${given.join(",\n    ")},\n)\nanswer.raise_for_status()\nprint(answer.json())`;
}

function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${literal(item)}`).join(", ")}}`;
}

/** Returns what the form begins with: the ability's own example, as far as fields can show it. */
export function exampleOf(ability) {
  const values = {};
  // Of a version beside the main one, callers say the name before its "@".
  const given = ability.example?.parameter?.[ability.service_id.split("@")[0]] || {};
  for (const param of ability.params) {
    const value = given[param.key] ?? param.default;
    if (value !== undefined && value !== null && typeof value !== "object") values[param.key] = String(value);
  }
  const payload = ability.example?.payload || {};
  for (const input of ability.inputs) {
    const sent = payload[input.key];
    if (!sent) continue;
    if (input.type === 0 && typeof sent.text === "string") values[input.key] = decoded(sent.text);
    const data = sent.audio || sent.image || sent.video || sent.other;
    if (input.type !== 0 && data) {
      const name = `example.${sent.encoding || "bin"}`;
      values[input.key] = { name, url: `data:${typeOf(input.type, sent.encoding)};base64,${data}` };
    }
  }
  return values;
}

const FAMILIES = { 1: "audio", 2: "image", 3: "video" };

function typeOf(type, encoding) {
  if (!FAMILIES[type]) return "application/octet-stream";
  return `${FAMILIES[type]}/${{ jpg: "jpeg", mp3: "mpeg" }[encoding] || encoding || "*"}`;
}

export function bytesOf(base64) {
  return Uint8Array.from(atob(base64.replace(/\s/g, "")), (character) => character.charCodeAt(0));
}

export function decoded(base64) {
  return new TextDecoder().decode(bytesOf(base64));
}
