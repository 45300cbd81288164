// What operators do: dead letters, queues, workers.
import { Component, html, Problem, moment } from "./view.js";
import * as api from "./api.js";

const part = encodeURIComponent;

/** A table whose rows have buttons. */
function Table({ title, columns, rows, empty }) {
  return html`<section>
    <h3>${title}</h3>
    ${rows.length === 0
      ? html`<p>${empty}</p>`
      : html`<div class="scroll" role="region" aria-label=${title} tabindex="0">
          <table>
            <thead>
              <tr>
                ${columns.map((column) => html`<th scope="col">${column}</th>`)}
                <th scope="col">Do</th>
              </tr>
            </thead>
            <tbody>
              ${rows.map((row) => html`<tr key=${row.key}>${row.cells.map((cell) => html`<td>${cell}</td>`)}<td class="actions">${row.actions}</td></tr>`)}
            </tbody>
          </table>
        </div>`}
  </section>`;
}

export class Operate extends Component {
  componentDidMount() {
    this.load();
    document.addEventListener("key-changed", this.load);
  }

  componentWillUnmount() {
    document.removeEventListener("key-changed", this.load);
  }

  load = async () => {
    try {
      const [dead, queues, workers] = await Promise.all(["dead", "queues", "workers"].map((name) => api.call(`v1/admin/${name}`)));
      this.setState({ dead: dead.dead, queues: queues.abilities, workers, error: null });
    } catch (error) {
      this.setState({ error });
    }
  };

  /** Returns a button that sends an order, and asks before one that takes something away. */
  button(label, name, path, question) {
    const send = async () => {
      if (question && !confirm(question)) return;
      try {
        await api.order(`v1/admin/${path}`);
        this.setState({ said: `${label}: ${name}`, error: null });
      } catch (error) {
        this.setState({ error, said: "" });
      }
      await this.load();
    };
    return html`<button type="button" onClick=${send} aria-label=${`${label} ${name}`}>${label}</button>`;
  }

  render(_, { dead, queues, workers, error, said }) {
    return html`
      <h2>Operate</h2>
      <${Problem} error=${error && explained(error)} />
      <p role="status">${said}</p>
      ${dead && html`<button type="button" onClick=${this.load}>Refresh</button>`}
      ${dead &&
      html`<${Table}
        title="Dead letters"
        empty="There are none."
        columns=${["Job", "Ability", "Ended", "Deaths", "Why"]}
        rows=${dead.map((job) => ({
          key: job.id,
          cells: [html`<a href=${`#/jobs/${part(job.id)}`}><code>${job.id.slice(0, 12)}</code></a>`, job.service_id, moment(job.finished_ms), job.deaths, job.message],
          actions: [
            this.button("Requeue", job.id, `dead/${part(job.id)}/requeue`),
            this.button("Drop", job.id, `dead/${part(job.id)}/drop`, `Drop ${job.id} with its inputs?`),
          ],
        }))}
      />`}
      ${queues &&
      html`<${Table}
        title="Queues"
        empty="There are none."
        columns=${["Ability", "Waiting", "Taken", "Why it waits"]}
        rows=${queues.map((load) => this.queueRow(load))}
      />`}
      ${workers && html`<${Table} title="Workers" empty="None serves." columns=${["Worker", "Ability", "GPU", "State", "Jobs"]} rows=${this.workerRows(workers)} />`}
    `;
  }

  queueRow(load) {
    const name = load.service_id;
    const waiting = load.queues.reduce((sum, queue) => sum + queue.jobs, 0);
    const isPaused = load.queues.some((queue) => queue.is_paused);
    const why = [...new Set(load.queues.map((queue) => queue.waits).filter(Boolean))].join("; ");
    return {
      key: name,
      cells: [name, waiting, load.open_jobs - waiting, isPaused ? "paused" : why || "–"],
      actions: [
        isPaused ? this.button("Resume", name, `queues/${part(name)}/resume`) : this.button("Pause", name, `queues/${part(name)}/pause`),
        this.button("Purge", name, `queues/${part(name)}/purge`, `Cancel all ${waiting} jobs that wait for ${name}?`),
      ],
    };
  }

  workerRows({ workers, drained }) {
    const serving = workers.map(({ entry, held_jobs, order }) => ({
      key: entry.name,
      cells: [html`<code>${entry.name}</code>`, entry.service_id, entry.gpu_type, order || "serving", held_jobs],
      actions: [
        this.button("Drain", entry.name, `workers/${part(entry.name)}/drain`, `Let ${entry.name} end what it runs, and start nothing more?`),
        this.button("Restart", entry.name, `workers/${part(entry.name)}/restart`),
      ],
    }));
    const gone = drained.map((name) => ({
      key: name,
      cells: [html`<code>${name}</code>`, "–", "–", "drained", 0],
      actions: [this.button("Restart", name, `workers/${part(name)}/restart`)],
    }));
    return [...serving, ...gone];
  }
}

/** Says what an operator needs, where the gateway says only that there is nothing. */
function explained(error) {
  if (error.status === 404) return { message: "This gateway has no operators' routes: it was started without ATHENA_ADMIN_TOKEN and without keys." };
  if (error.status === 401 || error.status === 403) return { message: `${error.message}. Give an operator's key, or the admin token, above.` };
  return error;
}
