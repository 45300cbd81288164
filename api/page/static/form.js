// An ability's form, made from what it declares, and the job that it starts.
import { Component, html, Problem, Copyable, counted } from "./view.js";
import * as api from "./api.js";
import { bodyOf, curlOf, exampleOf, filesOf, pythonOf } from "./request.js";
import { JobView } from "./job.js";
import { Picture } from "./answer.js";

const KINDS = ["text", "sound", "picture", "film", "data"];
const ACCEPTS = ["", "audio/*", "image/*", "video/*", ""];

/** Reads a file: its data as a data: URL, and as a text. */
async function read(file, isText) {
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  return { name: file.name, size: file.size, url, text: isText ? await file.text() : undefined };
}

class FileField extends Component {
  take = async (files) => {
    if (files.length) this.props.onChange(await read(files[0], this.props.spec.type === 0));
  };

  render({ spec, value, onChange, id }, { isOver }) {
    return html`<div
      class=${`drop ${isOver ? "over" : ""}`}
      onDragOver=${(event) => {
        event.preventDefault();
        this.setState({ isOver: true });
      }}
      onDragLeave=${() => this.setState({ isOver: false })}
      onDrop=${(event) => {
        event.preventDefault();
        this.setState({ isOver: false });
        this.take(event.dataTransfer.files);
      }}
    >
      <input id=${id} type="file" accept=${ACCEPTS[spec.type]} onChange=${(event) => this.take(event.target.files)} />
      <span>${value?.name ? html`<a href=${value.url} download=${value.name}>${value.name}</a>` : "or drop a file here"}</span>
      ${value && html`<button type="button" onClick=${() => onChange(undefined)}>Remove</button>`}
      ${value && spec.type === 2 && html`<${Picture} url=${value.url} alt=${value.name} />`}
      ${value && spec.type === 1 && html`<audio controls src=${value.url} aria-label=${value.name}></audio>`}
    </div>`;
  }
}

function InputField({ spec, value, onChange, id }) {
  const hint = spec.is_json ? "JSON" : KINDS[spec.type];
  const isFile = spec.type !== 0 || value?.url;
  return html`<div class="field">
    <label for=${id}>${spec.key} <small>${hint}</small></label>
    ${isFile
      ? html`<${FileField} id=${id} spec=${spec} value=${value} onChange=${onChange} />`
      : html`<textarea
          id=${id}
          rows=${spec.is_json ? 6 : 3}
          spellcheck=${spec.is_json ? "false" : undefined}
          value=${value || ""}
          onInput=${(event) => onChange(event.target.value)}
          onDragOver=${(event) => event.preventDefault()}
          onDrop=${async (event) => {
            const file = event.dataTransfer.files[0];
            if (!file) return;
            event.preventDefault();
            onChange(await read(file, true));
          }}
        ></textarea>`}
  </div>`;
}

function choicesOf(spec) {
  if (spec.enum.length) return spec.enum.map(String);
  return spec.json_type === "boolean" ? ["true", "false"] : null;
}

function ParamField({ spec, value, onChange, id }) {
  const choices = choicesOf(spec);
  const isNumber = ["integer", "number"].includes(spec.json_type);
  const described = spec.description ? `${id}-help` : undefined;
  const common = { id, required: spec.required, "aria-describedby": described };
  return html`<div class="field">
    <label for=${id}>${spec.key} <small>${spec.json_type}${spec.required && ", required"}</small></label>
    ${choices
      ? html`<select ...${common} value=${value || ""} onChange=${(event) => onChange(event.target.value)}>
          <option value="">–</option>
          ${choices.map((choice) => html`<option value=${choice}>${choice}</option>`)}
        </select>`
      : html`<input
          ...${common}
          type=${isNumber ? "number" : "text"}
          min=${spec.minimum ?? undefined}
          max=${spec.maximum ?? undefined}
          step=${spec.json_type === "integer" ? 1 : "any"}
          maxlength=${isNumber ? undefined : spec.max_length ?? undefined}
          value=${value ?? ""}
          onInput=${(event) => onChange(event.target.value)}
        />`}
    ${described && html`<p class="help" id=${described}>${spec.description}${isNumber && rangeOf(spec)}</p>`}
  </div>`;
}

function rangeOf(spec) {
  return spec.minimum !== null && spec.maximum !== null ? ` (${spec.minimum} to ${spec.maximum})` : "";
}

/** The call as it can be pasted elsewhere. */
function Snippets({ ability, values }) {
  let body;
  try {
    body = bodyOf(ability, values);
  } catch (error) {
    return html`<p class="note">${error.message}</p>`;
  }
  const files = filesOf(ability, values);
  const url = new URL(`v1/private/${encodeURIComponent(ability.service_id)}`, document.baseURI).href;
  const hasKey = Boolean(api.key.get());
  return html`
    <${Copyable} label="curl" text=${curlOf(url, body, files, hasKey)} />
    <${Copyable} label="Python" text=${pythonOf(url, body, files, hasKey)} />
  `;
}

export class AbilityView extends Component {
  componentDidMount() {
    this.load(this.props.name);
  }

  componentDidUpdate(before) {
    if (before.name !== this.props.name) this.load(this.props.name);
  }

  async load(name) {
    this.setState({ ability: null, values: {}, jobId: null, error: null });
    try {
      const ability = await api.ability(name);
      this.setState({ ability, values: exampleOf(ability) });
    } catch (error) {
      this.setState({ error });
    }
  }

  set = (key, value) => this.setState(({ values }) => ({ values: { ...values, [key]: value } }));

  run = async (event) => {
    event.preventDefault();
    const { ability, values } = this.state;
    this.setState({ error: null, isSending: true, jobId: null });
    try {
      const accepted = await api.submit(ability.service_id, bodyOf(ability, values));
      const picture = ability.inputs.find((input) => input.type === 2 && values[input.key]?.url);
      this.setState({ jobId: accepted.job.id, sent: picture && values[picture.key].url });
    } catch (error) {
      this.setState({ error });
    } finally {
      this.setState({ isSending: false });
    }
  };

  render({ name }, { ability, values, error, jobId, sent, isSending }) {
    if (!ability) return html`<h2>${name}</h2>${error ? html`<${Problem} error=${error} />` : html`<p role="status">Loading …</p>`}`;
    const fields = { values, set: this.set };
    const declaresNothing = !ability.inputs.length && !ability.params.length;
    return html`
      <h2>${ability.service_id} <small>${ability.version}</small></h2>
      <p>${ability.description}</p>
      <p class="facts">${ability.workers.length ? `${counted(ability.workers.length, "worker")} on ${[...new Set(ability.workers.map((worker) => worker.gpu_type))].join(", ")}` : "No worker serves it now."} ${ability.failure}</p>
      ${declaresNothing && html`<p class="note">This ability declares no inputs, so there is no form for it; see <a href="docs">the API</a>.</p>`}
      <div class="columns">
        <form onSubmit=${this.run} aria-label=${`Run ${ability.service_id}`}>
          ${ability.inputs.map((spec) => html`<${InputField} key=${spec.key} id=${`input-${spec.key}`} spec=${spec} value=${values[spec.key]} onChange=${(value) => this.set(spec.key, value)} />`)}
          ${ability.params.map((spec) => html`<${ParamField} key=${spec.key} id=${`param-${spec.key}`} spec=${spec} value=${values[spec.key]} onChange=${(value) => this.set(spec.key, value)} />`)}
          <${Scheduling} ability=${ability} ...${fields} />
          <button class="primary" type="submit" disabled=${isSending}>Run</button>
        </form>
        <section aria-label="Answer" class="result">
          <${Problem} error=${error} />
          ${jobId ? html`<${JobView} id=${jobId} sent=${sent} level=${3} />` : html`<p class="note">The answer appears here.</p>`}
        </section>
      </div>
      <section>
        <h3>The same call</h3>
        <${Snippets} ability=${ability} values=${values} />
      </section>
    `;
  }
}

/** Where and when it is to run. */
function Scheduling({ ability, values, set }) {
  const isOwn = (key) => [...ability.params, ...ability.inputs].some((spec) => spec.key === key);
  const choices = { priority: ["high", "normal", "low"], gpu_type: ability.gpu_types };
  const shown = Object.entries(choices).filter(([key]) => !isOwn(key));
  if (!shown.length) return null;
  return html`<details>
    <summary>Scheduling</summary>
    ${shown.map(
      ([key, listed]) => html`<div class="field">
        <label for=${`hint-${key}`}>${key}</label>
        <select id=${`hint-${key}`} value=${values[key] || ""} onChange=${(event) => set(key, event.target.value)}>
          <option value="">–</option>
          ${listed.map((choice) => html`<option value=${choice}>${choice}</option>`)}
        </select>
      </div>`,
    )}
  </details>`;
}
