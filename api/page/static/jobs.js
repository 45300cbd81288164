// The list of jobs.
import { Component, html, Problem, counted, moment } from "./view.js";
import * as api from "./api.js";

const STATES = ["queued", "running", "succeeded", "failed", "canceled", "expired", "timed_out", "poisoned"];
const PAGE = 50;

export class JobList extends Component {
  constructor() {
    super();
    this.state = { service_id: "", state: "", app_id: "", jobs: null, cursor: null };
  }

  async componentDidMount() {
    this.load();
    const abilities = await api.abilities().catch(() => []);
    this.setState({ names: abilities.map((ability) => ability.service_id) });
  }

  load = async (event) => {
    event?.preventDefault();
    this.asked = { limit: PAGE };
    for (const name of ["service_id", "state", "app_id"]) if (this.state[name]) this.asked[name] = this.state[name];
    this.setState({ jobs: null, cursor: null });
    await this.more();
  };

  more = async () => {
    const asked = this.asked;
    let cursor = this.state.cursor || "";
    const found = [];
    try {
      // A page may be short, even empty, and still have one behind it.
      do {
        const page = await api.jobs(cursor ? { ...asked, cursor } : asked);
        found.push(...page.jobs);
        cursor = page.cursor;
      } while (cursor && found.length < PAGE);
      if (asked === this.asked) this.setState(({ jobs }) => ({ jobs: [...(jobs || []), ...found], cursor, error: null }));
    } catch (error) {
      this.setState({ error });
    }
  };

  choose = (name) => (event) => this.setState({ [name]: event.target.value }, this.load);

  render(_, { jobs, cursor, error, names = [], service_id, state, app_id }) {
    return html`
      <h2>Jobs</h2>
      <form class="filters" onSubmit=${this.load} aria-label="Choose jobs">
        <div class="field">
          <label for="filter-ability">Ability</label>
          <select id="filter-ability" value=${service_id} onChange=${this.choose("service_id")}>
            <option value="">all</option>
            ${names.map((name) => html`<option value=${name}>${name}</option>`)}
          </select>
        </div>
        <div class="field">
          <label for="filter-state">State</label>
          <select id="filter-state" value=${state} onChange=${this.choose("state")}>
            <option value="">all</option>
            ${STATES.map((name) => html`<option value=${name}>${name.replaceAll("_", " ")}</option>`)}
          </select>
        </div>
        <div class="field">
          <label for="filter-app">Application</label>
          <input id="filter-app" value=${app_id} onChange=${this.choose("app_id")} />
        </div>
        <button type="submit">Refresh</button>
      </form>
      <${Problem} error=${error} />
      ${jobs === null && !error && html`<p role="status">Loading …</p>`}
      ${jobs && html`<p role="status">${jobs.length ? `${counted(jobs.length, "job")}${cursor ? " and more" : ""}` : "There are none."}</p>`}
      ${jobs?.length > 0 &&
      html`<div class="scroll" role="region" aria-label="Table of jobs" tabindex="0">
        <table>
          <thead>
            <tr>
              ${["Job", "Ability", "State", "Application", "Queued", "Ended", "Why"].map((title) => html`<th scope="col">${title}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${jobs.map(
              (job) => html`<tr key=${job.id}>
                <td><a href=${`#/jobs/${encodeURIComponent(job.id)}`}><code>${job.id.slice(0, 12)}</code></a></td>
                <td>${job.service_id}</td>
                <td><span class=${`badge ${job.state}`}>${job.state.replaceAll("_", " ")}</span></td>
                <td>${job.app_id || "–"}</td>
                <td>${moment(job.queued_ms)}</td>
                <td>${moment(job.finished_ms)}</td>
                <td class="why">${job.reason || (job.state !== "succeeded" && job.message)}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>`}
      ${cursor && html`<button type="button" onClick=${this.more}>More</button>`}
    `;
  }
}
