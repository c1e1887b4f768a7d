// What the page says, in Korean and in English.

const KO = {
  name: "나루",
  title: "나루 · 한국어 의미 검색",
  api: "API 문서",
  other: "English",
  tagline: "무엇을 찾으세요?",
  query: "검색어",
  placeholder: "낱말이나 문장으로 물어보세요",
  submit: "검색",
  mode: "검색 방식",
  hybrid: "통합",
  semantic: "의미",
  lexical: "단어",
  level: "보여 줄 수준",
  all: "모두",
  sensitive: "폭넓게",
  balanced: "균형",
  precise: "정밀",
  collection: "컬렉션",
  examples: "이렇게 물어보세요",
  results: "검색 결과",
  keyFocus: "검색창",
  keyMove: "결과 이동",
  keyOpen: "펼치기",
  about: (collection) => `${collection.name} · 글 ${number("ko", collection.passages)}건 · ${collection.encoder}`,
  searching: "찾는 중…",
  count: (count, milliseconds) => `결과 ${count}건 · ${milliseconds}ms`,
  none: "찾은 글이 없습니다.",
  noneAdvice: {
    hybrid: "다른 말로 바꾸어 찾아보세요.",
    semantic: "다른 말로 바꾸거나 ‘통합’으로 찾아보세요.",
    lexical: "‘단어’는 같은 낱말이 들어 있는 글만 찾습니다. ‘통합’으로 바꾸어 찾아보세요.",
  },
  noneFiltered: "걸어 둔 조건을 풀고 다시 찾아보세요.",
  unanswered: "답을 찾지 못했습니다.",
  unansweredWhy: (answerable, level) =>
    level
      ? `‘${level}’ 수준에 드는 글이 없습니다.`
      : `이 컬렉션에 답이 있을 확률은 ${answerable}${particle(answerable, "으로", "로")}, 답을 내놓기에는 낮습니다.`,
  near: "비슷하지만 답이 아닐 수 있는 글",
  promise: (level, said, queries, least) => `${level}: ${said} (확률 ${least} 이상, 정답을 표시한 질문 ${number("ko", queries)}건으로 정했습니다)`,
  promises: {
    precise: (told) =>
      told &&
      `${told.per === "query" ? "질문별로 평균하면, " : ""}보여 주는 글의 ${share(told.share)} 이상이 맞는 글입니다. 신뢰도 ${share(told.confidence)}`,
    balanced: () => "맞는 글을 놓치는 일과 틀린 글이 섞이는 일이 두루 적었던 기준선입니다. 보장은 아닙니다.",
    sensitive: (told) => told && `답이 있는 질문 가운데 ${share(told.share)} 이상에서 맞는 글을 보여 줍니다.`,
  },
  missing: (levels) => {
    const named = levels.map((level) => `‘${level}’`).join(", ");
    return `${named}${particle(levels.at(-1) ?? "", "을", "를")} 고를 수 없는 이유`;
  },
  noLevel: ({ needed, units, found, unit }) => {
    const counted = unit === "group" ? "질문 묶음" : unit === "passage" ? "질문이 다루는 글(답이 없는 질문은 하나씩 셉니다)" : "질문";
    if (needed !== null)
      return `정답 데이터가 모자라 아직 쓸 수 없습니다. ${counted}: 지금 ${number("ko", units)}건, ${number("ko", needed)}건쯤 필요합니다.`;
    if (found.recall !== undefined) return `맞는 글이 검색되는 질문이 ${Math.round(found.recall * 100)}%뿐이라 쓸 수 없습니다.`;
    return "정답을 표시한 질문들에서 그런 약속을 지킬 수 있는 기준선을 찾지 못해 쓸 수 없습니다.";
  },
  doubtful: "딱 맞는 글은 없는 것 같습니다. 그나마 가까운 글을 보여 드립니다.",
  notes: {
    keyboard: ({ typed, read }) => `영문 자판 상태로 입력하신 것 같아 ‘${typed}’ 대신 ‘${read}’${particle(read, "으로", "로")} 찾았습니다.`,
    filtered: () => "걸어 둔 조건에 맞는 글이 하나도 없습니다.",
    rivals: ({ passages }) => `비슷하게 맞는 글이 ${passages}건이라, 기준을 넘을 만큼 확실한 글이 따로 없습니다. 기준을 낮추거나 아래의 비슷한 글을 살펴보세요.`,
    cut: ({ tokens }) => `검색어가 길어서 의미는 앞부분(${tokens}토큰)만 보고 찾았습니다.`,
    void: () => "컬렉션이 바뀌어서 전에 보정한 확률과 수준별 약속은 더 이상 유효하지 않습니다. 다시 보정해야 합니다.",
    promise: ({ cutoff }) =>
      `조건을 걸었거나 보여 드릴 글이 너무 많아서 ‘${KO[cutoff] ?? cutoff}’의 약속은 이 결과에 적용되지 않습니다.`,
    instead: ({ cutoff, percent }) => {
      const level = KO[cutoff] ?? cutoff;
      return `‘${level}’${particle(level, "은", "는")} 이 컬렉션에서 약속할 수 없어, 대신 맞을 확률이 ${percent} 이상인 글만 보여 드립니다.`;
    },
    uncut: ({ cutoff }) => {
      const level = KO[cutoff] ?? cutoff;
      return `‘${level}’${particle(level, "은", "는")} 이 컬렉션에서 쓸 수 없어 모두 보여 드립니다.`;
    },
  },
  prior: "확률은 아직 보정되지 않은 기본값입니다. 정답을 표시한 질문으로 보정하면 믿을 수 있는 값이 됩니다.",
  priorLabel: "보정 전",
  underOne: "1% 미만",
  probability: (percent) => `맞을 확률 ${percent}`,
  untitled: "제목 없음",
  cosine: "의미 유사도",
  share: "단어 일치도",
  logit: "로짓",
  id: "문서 ID",
  filterBy: (field, value) => `${field}: ${value} — 이 조건으로 좁히기`,
  unfilter: (field, value) => `${field}: ${value} — 조건 풀기`,
  fields: { category: "분류", date: "날짜", source: "출처" },
  retry: "다시 시도",
  offline: "서버에 연결할 수 없습니다. 서비스가 켜져 있는지 확인해 주세요.",
  overloaded: "지금 요청이 많습니다. 잠시 뒤에 다시 시도해 주세요.",
  not_ready: "자료를 여는 중입니다. 잠시 뒤에 다시 시도해 주세요.",
  not_found: "그런 컬렉션이 없습니다.",
  invalid_request: "이 검색은 처리할 수 없습니다.",
  too_large: "검색어가 너무 깁니다.",
  internal: "서비스에 문제가 생겼습니다. 잠시 뒤에 다시 시도해 주세요.",
};

const EN = {
  name: "naru",
  title: "naru · Korean semantic search",
  api: "API docs",
  other: "한국어",
  tagline: "What are you looking for?",
  query: "Query",
  placeholder: "Ask in words or whole sentences",
  submit: "Search",
  mode: "Search mode",
  hybrid: "Hybrid",
  semantic: "Meaning",
  lexical: "Words",
  level: "How much to show",
  all: "All",
  sensitive: "Sensitive",
  balanced: "Balanced",
  precise: "Precise",
  collection: "Collection",
  examples: "Try one of these",
  results: "Results",
  keyFocus: "search box",
  keyMove: "move",
  keyOpen: "open",
  about: (collection) => `${collection.name} · ${number("en", collection.passages)} passages · ${collection.encoder}`,
  searching: "Searching…",
  count: (count, milliseconds) => `${count} ${count === 1 ? "result" : "results"} · ${milliseconds} ms`,
  none: "Nothing was found.",
  noneAdvice: {
    hybrid: "Try other words.",
    semantic: "Try other words, or the hybrid mode.",
    lexical: "“Words” finds only passages that share a word with the query. Try the hybrid mode.",
  },
  noneFiltered: "Remove the filter and try again.",
  unanswered: "No answer was found.",
  unansweredWhy: (answerable, level) =>
    level
      ? `Nothing reaches the level “${level}”.`
      : `The probability that this collection holds an answer is ${answerable}, too low to present an answer.`,
  near: "Similar, but perhaps not an answer",
  promise: (level, said, queries, least) =>
    `${level}: ${said} (probability ${least} or more, from ${number("en", queries)} judged queries)`,
  promises: {},
  missing: (levels) => `Why ${levels.map((level) => `“${level}”`).join(", ")} cannot be chosen`,
  noLevel: ({ reason }) => `Not available yet: ${reason}`,
  doubtful: "Nothing here seems to answer this. These are the closest passages.",
  notes: {},
  prior: "Probabilities are uncalibrated default values so far. Judged queries make them trustworthy.",
  priorLabel: "prior",
  underOne: "< 1%",
  probability: (percent) => `Probability of relevance ${percent}`,
  untitled: "Untitled",
  cosine: "Cosine",
  share: "Share of words",
  logit: "Logit",
  id: "Id",
  filterBy: (field, value) => `${field}: ${value} — show only these`,
  unfilter: (field, value) => `${field}: ${value} — remove this filter`,
  fields: {},
  retry: "Try again",
  offline: "The server cannot be reached. Check that the service is running.",
  overloaded: "The service is busy. Try again in a moment.",
  not_ready: "The collections are still being opened. Try again in a moment.",
  not_found: "There is no such collection.",
  invalid_request: "This search cannot be done.",
  too_large: "The query is too long.",
  internal: "Something went wrong in the service. Try again in a moment.",
};

const LANGUAGES = { ko: KO, en: EN };
const KEY = "naru.language";

const ALOUD = { 0: "영", 1: "일", 2: "이", 3: "삼", 4: "사", 5: "오", 6: "육", 7: "칠", 8: "팔", 9: "구" };

/** The form of a particle that follows a word as it is read aloud: `closed` after a final consonant, but 로 after ㄹ. */
function particle(word, closed, open) {
  const last = word.at(-1) ?? "";
  const syllable = ALOUD[last] ?? last;
  const final = /[가-힣]/.test(syllable) ? (syllable.charCodeAt(0) - 0xac00) % 28 : 0;
  const liquid = 8; // ㄹ
  return final === 0 || (final === liquid && open === "로") ? open : closed;
}

/** A share as it was promised, not rounded to another: 0.995 is 99.5%. */
function share(value) {
  return `${Number((value * 100).toPrecision(10))}%`;
}

function number(language, value) {
  return new Intl.NumberFormat(language).format(value);
}

/** The remembered language; Korean unless the reader chose otherwise. */
export function remembered() {
  try {
    return localStorage.getItem(KEY) === "en" ? "en" : "ko";
  } catch {
    return "ko"; // storage is switched off: nothing is remembered
  }
}

export function remember(language) {
  try {
    localStorage.setItem(KEY, language);
  } catch {
    return; // storage is switched off: the choice lasts as long as the page
  }
}

export function wordsOf(language) {
  return LANGUAGES[language];
}

/** Put the words of a language into every element that names one. */
export function translate(language) {
  const words = wordsOf(language);
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = words[element.dataset.word];
  }
  for (const element of document.querySelectorAll("[data-word-placeholder]")) {
    element.placeholder = words[element.dataset.wordPlaceholder];
  }
  for (const element of document.querySelectorAll("[data-word-label]")) {
    element.setAttribute("aria-label", words[element.dataset.wordLabel]);
  }
}
