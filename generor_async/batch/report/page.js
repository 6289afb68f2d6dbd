"use strict";
(() => {
  const $ = (selector) => document.querySelector(selector);
  const form = $("#tools");
  const list = $("#rows");
  const packed = $("#packed");
  const { words, state, kind, key, down } = form.elements;

  // The rows: those of the page, or those that are packed into it, whose elements are made when they are shown

  const MARK = /\x1f(\d+)\x1f/g;
  const UNESCAPED = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'" };
  const plain = (markup) => markup.replace(/<wbr>/g, "").replace(/&(?:amp|lt|gt|quot|#x27);/g, (name) => UNESCAPED[name]);

  class PageRow {
    constructor(element) {
      this.element = element;
      this.data = element.dataset;
    }
    get text() {
      const parts = this.element.querySelectorAll("h3, .error, p, dd, blockquote");
      return [...parts].map((part) => part.textContent).join("\n");
    }
  }

  class Pattern {
    constructor(markup) {
      this.markup = markup;
      this.head = markup.slice(0, markup.indexOf(">"));
      const textPlaces = markup.replace(/<[^>]*>/g, "\n").matchAll(MARK);
      this.textPlaces = [...new Set([...textPlaces].map(([, place]) => place))];
    }
  }

  const fill = (pattern, values) => pattern.replace(MARK, (_, place) => values[place]);

  class PackedRow {
    constructor(pattern, values) {
      this.pattern = pattern;
      this.values = values;
    }
    get data() {
      const found = fill(this.pattern.head, this.values).matchAll(/data-(\w+)="([^"]*)"/g);
      return memoize(this, "data", Object.fromEntries([...found].map(([, name, value]) => [name, plain(value)])));
    }
    get element() {
      const made = document.createElement("template");
      made.innerHTML = fill(this.pattern.markup, this.values);
      const element = made.content.firstElementChild;
      for (const video of element.querySelectorAll("video")) near.observe(video);
      return memoize(this, "element", element);
    }
    get text() {
      return this.pattern.textPlaces.map((place) => plain(this.values[place])).join("\n");
    }
  }

  const memoize = (row, name, value) => {
    Object.defineProperty(row, name, { value });
    return value;
  };

  const unpack = async () => {
    const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
    packed.remove();
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const patterns = [];
    const found = [];
    for (const line of (await new Response(stream).text()).split("\n")) {
      const block = line && JSON.parse(line);
      if (typeof block === "string") {
        if (block) patterns.push(new Pattern(block));
        continue;
      }
      const places = {};
      for (const number of block.of) {
        const place = (places[number] = (places[number] ?? -1) + 1);
        found.push(new PackedRow(patterns[number], block.columns[number].map((column) => column[place])));
      }
    }
    return found;
  };

  // Showing: of many rows so many at a time as fit, and more when their end comes near

  const AT_ONCE = 200;
  let rows = [];
  let shown = [];
  let shownCount = 0;

  const more = () => {
    const next = shown.slice(shownCount, packed ? shownCount + AT_ONCE : shown.length);
    shownCount += next.length;
    list.append(...next.map((row) => row.element));
    return next.length > 0;
  };

  const end = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting) || !more()) return;
      end.unobserve($("#end"));
      end.observe($("#end")); // it may be in sight still
    },
    { rootMargin: "1500px" },
  );

  // Filtering and sorting: what a row doesn't have comes last, whichever way; equals stay in the order of the input

  const texts = new Map();
  const textOf = (row) => {
    if (!texts.has(row)) texts.set(row, row.text.toLowerCase());
    return texts.get(row);
  };

  const fits = (row, wanted) =>
    (!state.value || row.data.state === state.value) &&
    (!kind.value || row.data.kind === kind.value) &&
    wanted.every((word) => textOf(row).includes(word));

  const sorted = (some) => {
    const name = key.value;
    const sign = down.checked ? -1 : 1;
    const valued = some.map((row, place) => [name ? Number.parseFloat(row.data[name]) : place, place, row]);
    valued.sort(([a, i], [b, j]) => Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || i - j);
    return valued.map(([, , row]) => row);
  };

  const update = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = sorted(rows.filter((row) => fits(row, wanted)));
    shownCount = 0;
    list.replaceChildren();
    more();
    const total = rows.length.toLocaleString("en");
    const all = shown.length === rows.length;
    $("#count").textContent = all ? `${total} rows` : `${shown.length.toLocaleString("en")} of ${total} rows`;
    form.querySelector("[type=reset]").hidden = !(words.value || state.value || kind.value);
    $("#none").hidden = shown.length > 0;
  };

  let later;
  words.addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(update, 120);
  });
  form.addEventListener("change", (event) => {
    if (event.target !== words) update();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () =>
    setTimeout(() => {
      update();
      words.focus();
    }),
  );
  for (const button of document.querySelectorAll("[data-error]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      form.reset();
      words.value = button.dataset.error;
      state.value = button.dataset.state;
    });
  }
  // The large view: pictures of the rows that are shown, one after the other

  const view = $("#view");
  const large = view.querySelector("img");
  let links = [];
  let at = 0;

  const pictures = () => [...list.querySelectorAll(".stage a:has(img)")];

  const show = (place) => {
    while (place >= links.length && more()) links = pictures();
    at = (place + links.length) % links.length;
    const link = links[at];
    const text = link.closest("article").querySelector(".text").cloneNode(true);
    for (const folded of text.querySelectorAll("details")) folded.open = true;
    view.querySelector(".text").replaceChildren(...text.childNodes);
    large.src = link.href;
    large.alt = link.firstChild.alt;
    view.querySelector("a").href = link.href;
    $("#place").textContent = `${at + 1} of ${links.length}${shownCount < shown.length ? " and more" : ""}`;
  };

  list.addEventListener("click", (event) => {
    const link = event.target.closest(".stage a:has(img)");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    links = pictures();
    show(links.indexOf(link));
    view.showModal();
  });
  view.addEventListener("click", (event) => {
    const step = event.target.dataset?.step;
    if (event.target === view || step === "0") view.close();
    else if (step) show(at + Number(step));
  });
  view.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) show(at + step);
  });
  view.addEventListener("close", () => {
    large.removeAttribute("src");
    links[at].focus();
  });

  // A video shows its first picture once it comes near; before, nothing of it is read.

  const near = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        target.preload = "metadata";
        near.unobserve(target);
      }
    },
    { rootMargin: "300px" },
  );
  for (const video of document.querySelectorAll("video")) near.observe(video);

  const begin = (found) => {
    rows = shown = found;
    shownCount = packed ? 0 : rows.length;
    if (packed) update();
    end.observe($("#end"));
    form.hidden = false;
  };

  if (packed) unpack().then(begin);
  else begin([...list.children].map((element) => new PageRow(element)));
})();
