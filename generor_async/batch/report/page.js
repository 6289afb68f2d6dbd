"use strict";
(() => {
  const $ = (selector) => document.querySelector(selector);
  const form = $("#tools");
  const list = $("#rows");
  const rows = [...list.children];
  const texts = new Map();
  const { words, state, kind, key, down } = form.elements;

  // Filtering

  const textOf = (row) => {
    if (!texts.has(row)) {
      const parts = row.querySelectorAll("h3, .error, p, dd, blockquote");
      texts.set(row, [...parts].map((part) => part.textContent).join("\n").toLowerCase());
    }
    return texts.get(row);
  };

  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits =
        (!state.value || row.dataset.state === state.value) &&
        (!kind.value || row.dataset.kind === kind.value) &&
        wanted.every((word) => textOf(row).includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    const all = shown === rows.length;
    const total = rows.length.toLocaleString("en");
    $("#count").textContent = all ? `${total} rows` : `${shown.toLocaleString("en")} of ${total} rows`;
    form.querySelector("[type=reset]").hidden = !(words.value || state.value || kind.value);
    $("#none").hidden = shown > 0;
  };

  // Sorting: what a row doesn't have comes last, whichever way; equals stay in the order of the input.

  const sort = () => {
    const name = key.value;
    const sign = down.checked ? -1 : 1;
    const valued = rows.map((row, place) => [name ? Number.parseFloat(row.dataset[name]) : place, place, row]);
    valued.sort(([a, i], [b, j]) => Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || i - j);
    const sorted = document.createDocumentFragment();
    for (const [, , row] of valued) sorted.append(row);
    list.append(sorted);
  };

  let later;
  words.addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(filter, 120);
  });
  form.addEventListener("change", (event) => {
    if (event.target === key || event.target === down) sort();
    else filter();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () =>
    setTimeout(() => {
      sort();
      filter();
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
  form.hidden = false;

  // The large view: pictures of the rows that are shown, one after the other

  const view = $("#view");
  const large = view.querySelector("img");
  let links = [];
  let at = 0;

  const show = (place) => {
    at = (place + links.length) % links.length;
    const link = links[at];
    const text = link.closest("article").querySelector(".text").cloneNode(true);
    for (const folded of text.querySelectorAll("details")) folded.open = true;
    view.querySelector(".text").replaceChildren(...text.childNodes);
    large.src = link.href;
    large.alt = link.firstChild.alt;
    view.querySelector("a").href = link.href;
    $("#place").textContent = `${at + 1} of ${links.length}`;
  };

  list.addEventListener("click", (event) => {
    const link = event.target.closest(".stage a:has(img)");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    links = [...list.querySelectorAll("li:not([hidden]) .stage a:has(img)")];
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
})();
