// The page's state lives in its address: ?q=, mode, level, collection, and one field=value for each filter.

import { make, percent, showHits } from "./results.js";
import { remember, remembered, translate, wordsOf } from "./words.js";

const MODES = ["hybrid", "semantic", "lexical"];
const LEVELS = ["sensitive", "balanced", "precise"];
const LIMIT = 10;
const NEAR = 5; // near misses shown
const at = (id) => document.getElementById(id);
const form = at("search");
const input = at("query");
const list = at("results");
const near = at("near").querySelector("ol");

let language = remembered();
let words = wordsOf(language);
let collections = [];
let answer = null; // what is shown
let failure = null; // or why nothing is
let running = null; // the AbortController of the search under way

// ---- the address ----

/** What the address asks for. Filters travel as where=["field",value]. */
function asked() {
  const parameters = new URLSearchParams(location.search);
  const mode = parameters.get("mode");
  return {
    query: (parameters.get("q") ?? "").trim(),
    mode: MODES.includes(mode) ? mode : "hybrid",
    level: LEVELS.includes(parameters.get("level")) ? parameters.get("level") : "",
    collection: parameters.get("collection") ?? collections[0]?.name ?? null,
    filters: parameters.getAll("where").flatMap(readFilter),
  };
}

function readFilter(written) {
  try {
    const [field, value] = JSON.parse(written);
    return [{ field, equals: value }];
  } catch {
    return []; // an address typed by hand: what cannot be read filters nothing
  }
}

/** The cut-offs of what is asked for, by name; none where nothing was calibrated. */
function cutoffs({ collection, mode }) {
  const offered = collections.find(({ name }) => name === collection)?.cutoffs[mode] ?? [];
  return Object.fromEntries(offered.map((one) => [one.name, one]));
}

function address({ query, mode, level, collection, filters }) {
  const parameters = new URLSearchParams();
  if (query) parameters.set("q", query);
  if (mode !== "hybrid") parameters.set("mode", mode);
  if (level) parameters.set("level", level);
  if (collection && collection !== collections[0]?.name) parameters.set("collection", collection);
  for (const { field, equals } of filters) parameters.append("where", JSON.stringify([field, equals]));
  const text = parameters.toString();
  return text ? `?${text}` : location.pathname;
}

function go(change) {
  const next = address({ ...asked(), ...change });
  if (next !== (location.search || location.pathname)) history.pushState(null, "", next);
  follow();
}

// ---- asking the service ----

/** Why the service did not answer; `type` is the service's own word, or "offline". */
class Failure extends Error {
  constructor(type, message = "") {
    super(message);
    this.type = type;
  }
}

async function fetched(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("offline");
  }
  const body = await response.json().catch(() => null);
  if (!response.ok || body === null) throw new Failure(body?.error?.type ?? "internal", body?.error?.message);
  return body;
}

/** Show what the address asks for. */
async function follow() {
  running?.abort();
  const wanted = asked();
  input.value = wanted.query;
  form.elements.mode.value = wanted.mode;
  at("collection").value = wanted.collection ?? "";
  showLevels(wanted);
  showFilters(wanted.filters);
  if (!wanted.query) {
    answer = failure = null;
    return show();
  }
  const mine = (running = new AbortController());
  list.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => (at("status").textContent = words.searching), 250);
  try {
    answer = await fetched("v1/search", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        query: wanted.query,
        mode: wanted.mode,
        collection: wanted.collection,
        limit: LIMIT,
        highlight: "segments",
        filter: wanted.filters.length ? { and: wanted.filters } : null,
        cutoff: wanted.level in cutoffs(wanted) ? wanted.level : null,
      }),
      signal: mine.signal,
    });
    failure = null;
  } catch (error) {
    if (error.name === "AbortError") return;
    answer = null;
    failure = error;
  } finally {
    clearTimeout(slow);
  }
  if (running === mine) show();
}

async function start() {
  try {
    collections = (await fetched("v1/collections")).collections;
    failure = null;
  } catch (error) {
    failure = error;
    return show();
  }
  const options = collections.map(({ name }) => make("option", { value: name, textContent: name }));
  at("collection").replaceChildren(...options);
  at("collections").hidden = collections.length < 2;
  return follow();
}

// ---- showing ----

function show() {
  const wanted = asked();
  list.removeAttribute("aria-busy");
  document.title = wanted.query ? `${wanted.query} · ${words.name}` : words.title;
  at("status").textContent = answer ? words.count(answer.hits.length, Math.max(1, Math.round(answer.milliseconds))) : "";
  at("notices").replaceChildren(...notices(wanted));
  const missed = answer?.near_misses.slice(0, NEAR) ?? [];
  showHits(list, answer?.hits ?? [], { words, narrow, prior: answer?.calibrated === false });
  showHits(near, missed, { words, narrow, prior: false });
  at("near").hidden = !missed.length;
  showExamples(wanted);
  const open = collections.find(({ name }) => name === wanted.collection);
  at("about").textContent = open ? words.about(open) : "";
}

function notices(wanted) {
  if (failure) return [failed()];
  if (!answer) return [];
  const found = [];
  if (answer.answered === false) {
    found.push(notice("empty", make("strong", { textContent: words.unanswered }), ` ${unanswered()}`));
  } else if (!answer.hits.length) {
    const advice = wanted.filters.length ? words.noneFiltered : words.noneAdvice[wanted.mode];
    found.push(notice("empty", make("strong", { textContent: words.none }), ` ${advice}`));
  } else if (answer.calibrated && (answer.answerable ?? answer.hits[0].probability) < 0.5) {
    found.push(notice("doubt", words.doubtful));
  }
  found.push(...answer.notes.map((note) => notice("quiet", words.notes[note.kind]?.(note.values) ?? note.message)));
  if (answer.cutoff?.promise && !answer.cutoff.void) found.push(notice("quiet promise", promise(answer.cutoff)));
  if (answer.hits.length && !answer.calibrated) found.push(notice("quiet", words.prior));
  return found;
}

/** Why there is no answer: the collection seems to hold none, or none reaches the level. */
function unanswered() {
  const { answerable, near_misses: missed, cutoff } = answer;
  if (!missed.length) return words.noneAdvice[answer.mode];
  const level = cutoff && missed[0].probability < cutoff.probability ? words[cutoff.name] : null;
  return words.unansweredWhy(answerable === null ? null : percent(answerable, words), level);
}

function promise({ name, promise: said, guarantee, queries, probability }) {
  const least = probability < 0.01 ? `${(probability * 100).toPrecision(1)}%` : `${Math.floor(probability * 100 + 1e-9)}%`;
  return words.promise(words[name], words.promises[name]?.(guarantee) ?? said, queries, least);
}

/** Offer the levels where something was calibrated, and say below them why those without a number cannot be chosen. */
function showLevels(wanted) {
  const offered = cutoffs(wanted);
  at("levels").hidden = !Object.keys(offered).length;
  for (const option of form.elements.level) {
    const one = offered[option.value];
    option.checked = option.value === wanted.level;
    option.disabled = Boolean(option.value) && one?.probability == null;
  }
  const missing = LEVELS.map((name) => offered[name]).filter((one) => one?.reason);
  at("missing").hidden = !missing.length;
  at("missing").querySelector("summary").textContent = words.missing(missing.map(({ name }) => words[name]));
  const reasons = missing.map((one) => make("li", { textContent: `${words[one.name]}: ${words.noLevel(one)}` }));
  at("missing").querySelector("ul").replaceChildren(...reasons);
}

function notice(kind, ...children) {
  return make("p", { className: `notice ${kind}` }, ...children);
}

function failed() {
  const retry = make("button", { type: "button", textContent: words.retry });
  retry.addEventListener("click", collections.length ? follow : start);
  const box = notice("failure", make("strong", { textContent: words[failure.type] ?? words.internal }));
  if (["invalid_request", "not_found"].includes(failure.type)) {
    box.append(make("span", { className: "reason", textContent: failure.message }));
  }
  box.append(retry);
  box.setAttribute("role", "alert");
  return box;
}

function showExamples({ query, collection }) {
  const examples = collections.find(({ name }) => name === collection)?.examples ?? [];
  at("examples").hidden = Boolean(query) || Boolean(failure) || !examples.length;
  at("examples").querySelector("ul").replaceChildren(
    ...examples.map((example) => {
      const chip = make("button", { type: "button", textContent: example });
      chip.addEventListener("click", () => go({ query: example }));
      return make("li", {}, chip);
    }),
  );
}

function showFilters(filters) {
  at("filters").replaceChildren(
    ...filters.map((filter) => {
      const field = words.fields[filter.field] ?? filter.field;
      const chip = make("button", { type: "button", textContent: `${field}: ${filter.equals} ✕` });
      chip.setAttribute("aria-label", words.unfilter(field, filter.equals));
      chip.addEventListener("click", () => go({ filters: asked().filters.filter((other) => other.field !== filter.field) }));
      return chip;
    }),
  );
}

function narrow(field, value) {
  go({ filters: [...asked().filters.filter((other) => other.field !== field), { field, equals: value }] });
}

// ---- what the reader does ----

form.addEventListener("submit", (event) => {
  event.preventDefault();
  go({ query: input.value.trim() });
});

input.addEventListener("keydown", (event) => {
  // While an input method composes a syllable, Enter belongs to it. (229: Safari ends composition first.)
  if (event.key === "Enter" && (event.isComposing || event.keyCode === 229)) event.preventDefault();
});

form.addEventListener("change", (event) => {
  if (event.target.name === "mode") go({ query: input.value.trim(), mode: event.target.value });
  if (event.target.name === "level") go({ query: input.value.trim(), level: event.target.value });
  if (event.target.name === "collection") go({ query: input.value.trim(), collection: event.target.value, filters: [] });
});

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input[type=search], select, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    input.focus();
    input.select();
  } else if (["ArrowDown", "ArrowUp"].includes(event.key) && !event.target.matches("select, input[type=radio]")) {
    const titles = [...document.querySelectorAll(".results .title")];
    if (!titles.length) return;
    const place = titles.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    (titles[place] ?? (place < 0 ? input : titles.at(-1))).focus();
  }
});

at("home").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go({ query: "", filters: [] });
  input.focus();
});

at("language").addEventListener("click", () => {
  language = language === "ko" ? "en" : "ko";
  remember(language);
  speak();
  show();
  showFilters(asked().filters);
  showLevels(asked());
});

function speak() {
  words = wordsOf(language);
  translate(language);
  at("language").textContent = words.other;
  at("language").lang = language === "ko" ? "en" : "ko";
}

addEventListener("popstate", follow);
speak();
start();
