// The page: which part is shown, and the key that is sent.
import { Component, html, Problem, counted, render } from "./view.js";
import * as api from "./api.js";
import { AbilityView } from "./form.js";
import { JobList } from "./jobs.js";
import { JobView } from "./job.js";
import { Operate } from "./operate.js";

class AbilityList extends Component {
  componentDidMount() {
    this.load();
    document.addEventListener("key-changed", this.load);
  }

  componentWillUnmount() {
    document.removeEventListener("key-changed", this.load);
  }

  load = () =>
    api.abilities().then(
      (abilities) => this.setState({ abilities, error: null }),
      (error) => this.setState({ error }),
    );

  render(_, { abilities, error }) {
    return html`
      <h2>Abilities</h2>
      <${Problem} error=${error} />
      ${!abilities && !error && html`<p role="status">Loading …</p>`}
      ${abilities?.length === 0 && html`<p>None is registered yet; a worker that has loaded its model registers its ability.</p>`}
      <ul class="cards">
        ${(abilities || []).map(
          (ability) => html`<li key=${ability.service_id}>
            <h3>${ability.version ? html`<a href=${`#/abilities/${encodeURIComponent(ability.service_id)}`}>${ability.service_id}</a>` : ability.service_id}</h3>
            <p>${ability.description}</p>
            <p class="facts">
              <span class=${`badge ${ability.workers.length ? "succeeded" : "queued"}`}>${ability.workers.length ? `${ability.workers.length} serving` : ability.failure ? "failing" : "not serving"}</span>
              ${ability.waiting?.jobs > 0 && html` ${counted(ability.waiting.jobs, "job")} waiting`}
              ${typeof ability.share === "number" && html` ${ability.share} % of the requests`}
            </p>
            ${ability.failure && html`<p class="problem">${ability.failure}</p>`}
          </li>`,
        )}
      </ul>
    `;
  }
}

class KeyForm extends Component {
  componentDidMount() {
    document.addEventListener("key-wanted", this.want);
  }

  componentWillUnmount() {
    document.removeEventListener("key-wanted", this.want);
  }

  want = (event) => this.setState({ isWanted: true, message: event.detail });

  save = (event) => {
    event.preventDefault();
    api.key.set(event.target.elements.key.value.trim());
    event.target.reset();
    this.setState({ isWanted: false, message: "" });
    document.dispatchEvent(new CustomEvent("key-changed"));
  };

  forget = () => {
    api.key.set("");
    this.setState({});
    document.dispatchEvent(new CustomEvent("key-changed"));
  };

  render(_, { isWanted, message }) {
    const has = Boolean(api.key.get());
    return html`<details class="key" open=${isWanted}>
      <summary>Key${has ? " ✓" : ""}</summary>
      <form onSubmit=${this.save}>
        <p role="status">${message}</p>
        <label for="key">Key or admin token</label>
        <input id="key" name="key" type="password" autocomplete="off" required />
        <button type="submit">Use it</button>
        ${has && html`<button type="button" onClick=${this.forget}>Forget it</button>`}
        <p class="help">It is kept for this tab, until it is closed.</p>
      </form>
    </details>`;
  }
}

const PARTS = [
  ["abilities", "Abilities"],
  ["jobs", "Jobs"],
  ["operate", "Operate"],
];

class App extends Component {
  state = { place: placeOf(location.hash), session: 0 };

  componentDidMount() {
    addEventListener("hashchange", this.move);
    document.addEventListener("key-changed", this.renew);
  }

  move = () => {
    this.setState({ place: placeOf(location.hash) }, () => {
      document.title = `${this.state.place.filter(Boolean).join(" · ")} – Athena Serving`;
      document.getElementById("main").focus();
    });
  };

  renew = () => this.setState(({ session }) => ({ session: session + 1 }));

  shown() {
    const [part, name] = this.state.place;
    if (part === "jobs") return name ? html`<${JobView} id=${name} />` : html`<${JobList} />`;
    if (part === "operate") return html`<${Operate} />`;
    return name ? html`<${AbilityView} name=${name} />` : html`<${AbilityList} />`;
  }

  render(_, { place, session }) {
    return html`
      <header>
        <h1><a href="#/abilities">Athena Serving</a></h1>
        <nav aria-label="Parts of the page">
          ${PARTS.map(([part, title]) => html`<a href=${`#/${part}`} aria-current=${place[0] === part ? "page" : undefined}>${title}</a>`)}
          <a href="docs">API</a>
        </nav>
        <${KeyForm} />
      </header>
      <main id="main" tabindex="-1" key=${session}>${this.shown()}</main>
    `;
  }
}

function placeOf(hash) {
  const [part = "", name = ""] = hash.replace(/^#\/?/, "").split("/");
  return [part || "abilities", decodeURIComponent(name)];
}

render(html`<${App} />`, document.getElementById("app"));
