// Outputs, shown as what they are.
import { Component, html } from "./view.js";
import { bytesOf } from "./request.js";

const FIELDS = ["text", "audio", "image", "video", "other"];
const MOST = 200;

/** Returns an output of a job's payload as {key, kind, value}: text, json, or data with its bytes. */
export function outputOf(key, output, declared) {
  const field = FIELDS.find((name) => name in output) || "other";
  const data = output[field];
  if (typeof data !== "string") return { key, kind: "json", value: data };
  const bytes = bytesOf(data);
  if (field !== "text") return { key, kind: field, value: bytes };
  const text = new TextDecoder().decode(bytes);
  if (declared?.is_json) {
    try {
      return { key, kind: "json", value: JSON.parse(text) };
    } catch {
      // It says it is JSON, and is none: shown as the text that it is.
    }
  }
  return { key, kind: "text", value: text };
}

/** Returns the boxes that a document holds, as {points, label}: four corners, or two. */
export function boxesOf(document_, found = []) {
  if (Array.isArray(document_)) document_.forEach((item) => boxesOf(item, found));
  else if (document_ && typeof document_ === "object") {
    const points = pointsOf(document_.box ?? document_.bbox ?? document_.polygon ?? document_.points);
    if (points) {
      const label = document_.text ?? document_.label ?? document_.class ?? document_.name ?? "";
      const score = document_.text_score ?? document_.score ?? document_.confidence;
      found.push({ points, label: String(label), score });
    } else Object.values(document_).forEach((item) => boxesOf(item, found));
  }
  return found;
}

function pointsOf(box) {
  if (!Array.isArray(box)) return null;
  const numbers = box.flat();
  if (numbers.length < 4 || numbers.length % 2 || !numbers.every(Number.isFinite)) return null;
  if (numbers.length > 4) return numbers;
  const [left, top, right, bottom] = numbers;
  return [left, top, right, top, right, bottom, left, bottom];
}

/** A picture, with boxes where there are some. */
export class Picture extends Component {
  onLoad = ({ target }) => this.setState({ width: target.naturalWidth, height: target.naturalHeight });

  render({ url, alt, boxes = [] }, { width, height }) {
    return html`<figure class="picture">
      <div class="layers">
        <img src=${url} alt=${alt} onLoad=${this.onLoad} />
        ${width &&
        boxes.length > 0 &&
        html`<svg viewBox=${`0 0 ${width} ${height}`} aria-hidden="true">
          ${boxes.map((box) => html`<polygon points=${box.points.join(" ")} />`)}
        </svg>`}
      </div>
      ${boxes.length > 0 &&
      html`<figcaption>
        <ol class="labels">
          ${boxes
            .slice(0, MOST)
            .map((box) => html`<li>${box.label || "box"}${box.score !== undefined && html` <small>${Number(box.score).toFixed(3)}</small>`}</li>`)}
        </ol>
      </figcaption>`}
    </figure>`;
  }
}

/** JSON as a tree whose branches open. */
export function Tree({ value, name, depth = 0 }) {
  const label = name !== undefined && html`<span class="name">${name}: </span>`;
  if (value === null || typeof value !== "object") {
    return html`<div class="leaf">${label}<code class=${typeof value}>${JSON.stringify(value)}</code></div>`;
  }
  const entries = Array.isArray(value) ? value.map((item, index) => [index, item]) : Object.entries(value);
  const size = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  return html`<details class="branch" open=${depth < 3}>
    <summary>${label}<code>${size}</code></summary>
    ${entries.slice(0, MOST).map(([key, item]) => html`<${Tree} value=${item} name=${key} depth=${depth + 1} />`)}
    ${entries.length > MOST && html`<p>and ${entries.length - MOST} more</p>`}
  </details>`;
}

/** Bytes behind an address that is good as long as they are shown. */
class Blobbed extends Component {
  componentWillMount() {
    this.url = URL.createObjectURL(new Blob([this.props.bytes]));
  }

  componentWillUnmount() {
    URL.revokeObjectURL(this.url);
  }

  render({ output, boxes }) {
    const download = html`<p><a href=${this.url} download=${output.key}>Download ${output.key}</a></p>`;
    if (output.kind === "image") return html`<${Picture} url=${this.url} alt=${output.key} boxes=${boxes} />${download}`;
    if (output.kind === "audio") return html`<audio controls src=${this.url} aria-label=${output.key}></audio>${download}`;
    if (output.kind === "video") return html`<video controls src=${this.url} aria-label=${output.key}></video>${download}`;
    return html`<p>${output.value.length} bytes</p>${download}`;
  }
}

function Output({ output, boxes }) {
  if (output.kind === "text") return html`<pre class="text" tabindex="0" aria-label=${output.key}>${output.value}</pre>`;
  if (output.kind === "json") return html`<${Tree} value=${output.value} />`;
  return html`<${Blobbed} bytes=${output.value} output=${output} boxes=${boxes} />`;
}

/** All outputs of a job; boxes are drawn on the picture that it made, or else on the one that was sent. */
export class Answer extends Component {
  componentWillMount() {
    // Once: data that was read anew would be another picture.
    const { payload, ability } = this.props;
    const declared = Object.fromEntries((ability?.outputs || []).map((spec) => [spec.key, spec]));
    this.outputs = Object.entries(payload || {}).map(([key, output]) => outputOf(key, output, declared[key]));
    this.boxes = this.outputs.filter((output) => output.kind === "json").flatMap((output) => boxesOf(output.value));
  }

  render({ sent }) {
    const { outputs, boxes } = this;
    const isDrawn = outputs.some((output) => output.kind === "image");
    return html`
      ${outputs.length === 0 && html`<p>The answer has no output.</p>`}
      ${!isDrawn && boxes.length > 0 && sent && html`<${Picture} url=${sent} alt="the picture that was sent" boxes=${boxes} />`}
      ${outputs.map((output) => html`<section class="output" key=${output.key}>
        <h4>${output.key}</h4>
        <${Output} output=${output} boxes=${boxes} />
      </section>`)}
    `;
  }
}
