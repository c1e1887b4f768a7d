// Hits to elements. Text is only ever set as text, never as markup.

/** An element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Pieces of text, the matching ones in <mark>. */
function marked(segments) {
  return segments.map((piece) => (piece.match ? make("mark", { textContent: piece.text }) : piece.text));
}

/** Never 0% or 100%: no ranking is that sure. */
export function percent(probability, words) {
  const value = Math.round(probability * 100);
  return value < 1 ? words.underOne : `${Math.min(value, 99)}%`;
}

function gauge(probability, words, prior) {
  const text = percent(probability, words);
  const fill = make("span", { className: "fill" });
  fill.style.width = `${(probability * 100).toFixed(1)}%`;
  const bar = make("span", { className: "bar" }, fill);
  const box = make("div", { className: "gauge" }, make("span", { className: "percent", textContent: text }), bar);
  if (prior) box.append(make("span", { className: "prior", textContent: words.priorLabel, title: words.prior }));
  box.dataset.level = probability >= 0.5 ? "high" : probability >= 0.2 ? "middle" : "low";
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", words.probability(text) + (prior ? ` (${words.priorLabel})` : ""));
  return box;
}

function chips(metadata, words, narrow) {
  const list = make("ul", { className: "chips" });
  for (const [field, held] of Object.entries(metadata).slice(0, 6)) {
    for (const value of [held].flat().slice(0, 6)) {
      if (value === null || value === "") continue;
      const text = String(value);
      const chip = make("button", { type: "button", textContent: text.length > 40 ? `${text.slice(0, 39)}…` : text });
      chip.title = words.filterBy(words.fields[field] ?? field, text);
      chip.setAttribute("aria-label", chip.title);
      chip.addEventListener("click", () => narrow(field, value));
      list.append(make("li", {}, chip));
    }
  }
  return list;
}

function figures(hit, words) {
  const list = make("dl", { className: "figures" });
  const rows = [
    [words.cosine, hit.semantic?.toFixed(3)],
    [words.share, hit.lexical?.toFixed(3)],
    [words.logit, hit.logit.toFixed(2)],
    [words.id, hit.id],
  ];
  for (const [name, value] of rows) {
    if (value === undefined) continue;
    list.append(make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value })));
  }
  return list;
}

/** One hit: a heading that opens the whole text, the snippet, the bar, its metadata. */
function card(hit, { words, narrow, prior }) {
  const body = `hit-${hit.rank}`;
  const title = hit.title ? marked(hit.segments.title) : [words.untitled];
  const heading = make("button", { type: "button", className: "title" }, ...title);
  heading.setAttribute("aria-expanded", "false");
  heading.setAttribute("aria-controls", body);
  const rank = make("span", { className: "rank", textContent: hit.rank });
  const snippet = make("p", { className: "snippet" }, ...marked(hit.segments.snippet));
  const whole = make(
    "div",
    { className: "whole", id: body, hidden: true },
    make("p", { className: "text" }, ...marked(hit.segments.text)),
    figures(hit, words),
  );
  const show = (open) => {
    heading.setAttribute("aria-expanded", String(open));
    whole.hidden = !open;
    snippet.hidden = open;
  };
  heading.addEventListener("click", () => show(whole.hidden));
  return make(
    "li",
    { className: "hit" },
    rank,
    make(
      "article",
      {},
      make("div", { className: "head" }, make("h2", {}, heading), gauge(hit.probability, words, prior)),
      snippet,
      whole,
      chips(hit.metadata, words, narrow),
    ),
  );
}

/**
 * The list of hits, replacing what was shown. `narrow(field, value)` is called when a chip is chosen; with `prior` each
 * probability is marked as uncalibrated.
 */
export function showHits(list, hits, how) {
  list.replaceChildren(...hits.map((hit) => card(hit, how)));
}
