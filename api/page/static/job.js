// One job: what has happened to it, and what came of it.
import { Component, html, Problem, duration, moment } from "./view.js";
import * as api from "./api.js";
import { Answer } from "./answer.js";

const FINAL = ["succeeded", "failed", "canceled", "expired", "timed_out", "poisoned"];
export const isFinal = (state) => FINAL.includes(state);
const AGAIN = ["failed", "expired", "timed_out", "poisoned"];

/** What happened, in its order. */
export function Timeline({ job }) {
  const events = job.timeline || [];
  const began = events[0]?.at_ms ?? job.queued_ms;
  return html`<ol class="timeline" aria-label="What happened">
    ${events.map(
      (event) => html`<li>
        <time datetime=${new Date(event.at_ms).toISOString()}>+${duration(event.at_ms - began)}</time>
        <span class="event">${event.event.replaceAll("_", " ")}</span>
        ${event.worker && html` <span>on ${event.worker}</span>`} ${event.detail && html` <span>${event.detail}</span>`}
      </li>`,
    )}
    ${!isFinal(job.state) && html`<li class="now"><span class="event">${job.state}</span> ${job.reason}</li>`}
  </ol>`;
}

export function Status({ job }) {
  return html`<p class="state" role="status">
    <strong class=${`badge ${job.state}`}>${job.state.replaceAll("_", " ")}</strong>
    ${job.progress !== null &&
    !isFinal(job.state) &&
    html` <progress max="1" value=${job.progress} aria-label="Progress">${Math.round(job.progress * 100)} %</progress>`}
    ${job.exec_ms !== null && html` ran ${duration(job.exec_ms)}`} ${job.gpu_type && html` on ${job.gpu_type}`}
    ${job.position !== null && job.state === "queued" && html` place ${job.position} in its queue`}
  </p>`;
}

/** Asks for a job until it has ended; its owner shows it. */
export class JobWatch {
  constructor(id, onNews) {
    Object.assign(this, { id, onNews, isOver: false });
  }

  async run() {
    let wait = 0;
    while (!this.isOver) {
      try {
        const found = await api.job(this.id, wait);
        if (this.isOver) return;
        this.onNews(found);
        if (isFinal(found.job.state)) return;
        wait = 1;
      } catch (error) {
        if (this.isOver) return;
        this.onNews({ error });
        // A gateway that restarts is back soon; what is not there stays away.
        if (error.status >= 400 && error.status < 500) return;
        await new Promise((resume) => setTimeout(resume, 1000));
      }
    }
  }

  stop() {
    this.isOver = true;
  }
}

/** A job with all that can be done with it. */
export class JobView extends Component {
  componentDidMount() {
    this.watch(this.props.id);
  }

  componentDidUpdate(before) {
    if (before.id !== this.props.id) this.watch(this.props.id);
  }

  componentWillUnmount() {
    this.watching?.stop();
  }

  watch(id) {
    this.watching?.stop();
    this.setState({ found: null, error: null, ability: undefined });
    this.watching = new JobWatch(id, (news) => this.hear(news));
    this.watching.run();
  }

  async hear(news) {
    if (news.error) return this.setState({ error: news.error });
    this.setState({ found: news, error: null });
    if (isFinal(news.job.state) && this.state.ability === undefined) {
      // Without it outputs are shown as their data looks.
      this.setState({ ability: await api.ability(news.job.service_id).catch(() => null) });
    }
  }

  act = async (verb) => {
    try {
      const done = await api.order(`v1/jobs/${encodeURIComponent(this.state.found.job.id)}/${verb}`);
      if (verb === "retry") location.hash = `#/jobs/${done.job.id}`;
      else this.hear(done);
    } catch (error) {
      this.setState({ error });
    }
  };

  render({ sent, level = 2 }, { found, error, ability }) {
    const problem = error && html`<${Problem} error=${error} />`;
    if (!found) return problem || html`<p role="status">Loading …</p>`;
    const { job, header, payload } = found;
    const Title = `h${level}`;
    return html`
      <${Title}>Job <code>${job.id}</code><//>
      ${problem}
      <${Status} job=${job} />
      ${job.message && isFinal(job.state) && job.state !== "succeeded" && html`<div class="problem" role="alert"><p>${job.message}</p>${job.place && html`<p><code>${job.place}</code></p>`}</div>`}
      ${(header.warnings || []).map((item) => html`<p class="note"><code>${item.pointer}</code> ${item.detail}</p>`)}
      <p class="actions">
        ${!isFinal(job.state) && html`<button type="button" onClick=${() => this.act("cancel")}>Cancel</button>`}
        ${AGAIN.includes(job.state) && html`<button type="button" onClick=${() => this.act("retry")}>Try again</button>`}
      </p>
      ${job.state === "succeeded" && ability !== undefined && html`<h3>Answer</h3><${Answer} key=${job.id} payload=${payload} ability=${ability} sent=${sent} />`}
      <details open=${job.state !== "succeeded"}>
        <summary>What happened</summary>
        <${Timeline} job=${job} />
        <dl class="facts">
          <div><dt>Ability</dt><dd><a href=${`#/abilities/${job.service_id}`}>${job.service_id}</a></dd></div>
          <div><dt>Application</dt><dd>${job.app_id || "–"}</dd></div>
          <div><dt>Queued</dt><dd>${moment(job.queued_ms)}</dd></div>
          <div><dt>Worker</dt><dd>${job.worker || "–"}</dd></div>
          <div><dt>Attempts</dt><dd>${job.attempts}</dd></div>
        </dl>
      </details>
    `;
  }
}
