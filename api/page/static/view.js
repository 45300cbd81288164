// What every part of the page draws with.
import { Component, h, render } from "./vendor/preact.mjs";
import htm from "./vendor/htm.mjs";

export { Component, render };
export const html = htm.bind(h);

/** Something that has failed, said where it happened. */
export function Problem({ error }) {
  if (!error) return null;
  const errors = error.errors || [];
  return html`<div class="problem" role="alert">
    <p>${error.message}</p>
    ${errors.length > 1 &&
    html`<ul>
      ${errors.map((item) => html`<li><code>${item.pointer || "/"}</code> ${item.detail}</li>`)}
    </ul>`}
  </div>`;
}

/** A text to copy, with a button that does it. */
export class Copyable extends Component {
  copy = async () => {
    await navigator.clipboard.writeText(this.props.text).then(
      () => this.setState({ said: "Copied" }),
      () => this.setState({ said: "Select it and press Ctrl-C" }),
    );
    setTimeout(() => this.setState({ said: "" }), 3000);
  };

  render({ text, label }) {
    return html`<figure class="copyable">
      <figcaption>
        ${label} <button type="button" onClick=${this.copy} aria-label=${`Copy ${label}`}>Copy</button>
        <span role="status">${this.state.said}</span>
      </figcaption>
      <pre tabindex="0" aria-label=${label}><code>${text}</code></pre>
    </figure>`;
  }
}

/** Milliseconds as people say them. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 120000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60000)} min`;
}

/** A time of day, with the date where it was not today. */
export function moment(ms) {
  if (!ms) return "–";
  const at = new Date(ms);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? at.toLocaleTimeString() : at.toLocaleString();
}

/** A number of things. */
export function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
