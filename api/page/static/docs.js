// The OpenAPI document, to read.
import { Component, html, Problem, render } from "./view.js";
import * as api from "./api.js";

/** Returns what a reference leads to. */
function resolved(node, document_) {
  if (!node?.$ref) return node;
  return node.$ref.slice(2).split("/").reduce((found, name) => found?.[name], document_);
}

const nameOf = (node) => node?.$ref?.split("/").pop();

/** A schema in words, with the schemas it refers to folded in. */
function Schema({ node, root, depth = 0 }) {
  const schema = resolved(node, root) || {};
  if (schema.anyOf && !schema.properties) {
    return html`${schema.anyOf.map((item, index) => html`${index > 0 && html`<p>or</p>`}<${Schema} node=${item} root=${root} depth=${depth} />`)}`;
  }
  const properties = Object.entries(schema.properties || {});
  const kind = [].concat(schema.type || []).join(" or ");
  const title = nameOf(node) || schema.title || kind || "anything";
  if (!properties.length) {
    return html`<span class="kind">${schema.enum ? schema.enum.map((item) => JSON.stringify(item)).join(", ") : schema.items ? html`list of <${Schema} node=${schema.items} root=${root} depth=${depth + 1} />` : kind || title}</span>`;
  }
  return html`<details open=${depth === 0}>
    <summary>${title}</summary>
    ${schema.description && html`<p>${schema.description}</p>`}
    <dl class="members">
      ${properties.map(
        ([name, item]) => html`<div>
          <dt><code>${name}</code>${schema.required?.includes(name) && html` <small>required</small>`}</dt>
          <dd>
            ${depth < 5 && html`<${Schema} node=${item} root=${root} depth=${depth + 1} />`} ${limitsOf(resolved(item, root))}
            ${resolved(item, root)?.description && !resolved(item, root)?.properties && html`<p>${resolved(item, root).description}</p>`}
          </dd>
        </div>`,
      )}
    </dl>
  </details>`;
}

function limitsOf(schema = {}) {
  const told = ["minimum", "maximum", "minLength", "maxLength", "pattern", "contentEncoding"].filter((name) => schema[name] !== undefined);
  return told.length > 0 && html`<small>${told.map((name) => `${name} ${schema[name]}`).join(", ")}</small>`;
}

function Operation({ path, method, operation, root }) {
  const body = operation.requestBody?.content || {};
  const responses = Object.entries(operation.responses || {});
  return html`<details class="operation" id=${operation.operationId}>
    <summary>
      <strong class=${`method ${method}`}>${method.toUpperCase()}</strong> <code>${path}</code> <span>${operation.summary}</span>
    </summary>
    ${operation.parameters?.length > 0 &&
    html`<h4>Parameters</h4>
      <dl class="members">
        ${operation.parameters.map((item) => html`<div><dt><code>${item.name}</code> <small>${item.in}</small></dt><dd>${item.description}</dd></div>`)}
      </dl>`}
    ${Object.entries(body).map(([kind, item]) => html`<h4>Body <code>${kind}</code></h4><${Schema} node=${item.schema} root=${root} />`)}
    <h4>Answers</h4>
    ${responses.map(([status, response]) => html`<div class="answer">
      <p><strong>${status}</strong> ${resolved(response, root)?.description}</p>
      ${!response.$ref && Object.entries(response.content || {}).map(([kind, item]) => html`<p><code>${kind}</code></p>${item.schema && html`<${Schema} node=${item.schema} root=${root} depth=${1} />`}`)}
    </div>`)}
  </details>`;
}

class Docs extends Component {
  componentDidMount() {
    api.call("openapi.json").then(
      (root) => this.setState({ root }),
      (error) => this.setState({ error }),
    );
  }

  render(_, { root, error }) {
    return html`
      <header>
        <h1><a href=".">Athena Serving</a></h1>
        <nav aria-label="Parts of the page"><a href=".">Abilities</a><a href="docs" aria-current="page">API</a></nav>
      </header>
      <main id="main" tabindex="-1">
        <h2>API</h2>
        <${Problem} error=${error && (error.status === 401 ? { message: "Give a key on the page before this one, then come back." } : error)} />
        ${!root && !error && html`<p role="status">Loading …</p>`}
        ${root && html`<p>${root.info.description} The same as a document: <a href="openapi.json">openapi.json</a>.</p>`}
        ${root && tagsOf(root).map(([tag, operations]) => html`<section>
          <h3>${tag}</h3>
          ${operations.map((operation) => html`<${Operation} ...${operation} root=${root} />`)}
        </section>`)}
      </main>
    `;
  }
}

function tagsOf(root) {
  const tags = new Map();
  for (const [path, methods] of Object.entries(root.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags?.[0] || "";
      if (!tags.has(tag)) tags.set(tag, []);
      tags.get(tag).push({ path, method, operation });
    }
  }
  return [...tags];
}

render(html`<${Docs} />`, document.getElementById("app"));
