"use strict";
(() => {
  const status = document.getElementById("status");

  const valueOf = (cell) => {
    const text = cell.textContent.trim();
    const plain = (cell.dataset.order ?? text).replaceAll(",", "").replace("\u2212", "-");
    return { text, number: /^[+-]?\.?\d/.test(plain) ? parseFloat(plain) : NaN };
  };
  const isEmpty = (value) => value.text === "" || value.text === "\u2013";

  const sort = (heading) => {
    const table = heading.closest("table");
    const body = table.tBodies[0];
    const falling = heading.getAttribute("aria-sort") === "ascending";
    const rows = [...body.rows].map((row) => [valueOf(row.cells[heading.cellIndex]), row]);
    const filled = rows.filter(([value]) => !isEmpty(value));
    const numbers = filled.every(([value]) => !Number.isNaN(value.number));
    const compare = numbers
      ? (a, b) => a.number - b.number
      : (a, b) => a.text.localeCompare(b.text, "en", { numeric: true });
    rows.sort(([a], [b]) => isEmpty(a) - isEmpty(b) || (falling ? compare(b, a) : compare(a, b)));
    body.append(...rows.map(([, row]) => row));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    status.textContent = `Sorted by ${heading.textContent}, ${falling ? "falling" : "rising"}`;
  };

  const copy = async (button) => {
    const text = button.closest(".files").querySelector("template").content.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.textContent = "Copied";
    status.textContent = "Copied as LaTeX";
    setTimeout(() => { button.textContent = "Copy as LaTeX"; }, 2000);
  };

  // What a link points to is shown, also within what is folded.
  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    for (let part = target?.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    target?.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });
  // Files lie beside the page only where it was made.
  if (decodeURIComponent(location.pathname).endsWith(`/${document.body.dataset.place}`)) {
    for (const name of document.querySelectorAll("a[data-file]")) name.href = name.dataset.file;
  }
  const dialog = document.querySelector("dialog");
  const enlarge = (address, text) => {
    const large = dialog.querySelector("img");
    large.src = address;
    large.alt = text;
    dialog.showModal();
  };
  dialog.addEventListener("click", () => dialog.close());
  for (const image of document.querySelectorAll(".thumbnails img")) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", `enlarge ${image.alt}`);
    image.replaceWith(button);
    button.append(image);
    button.addEventListener("click", () => enlarge(image.src, image.alt));
  }
  for (const image of document.querySelectorAll("figure svg image")) {
    const address = image.href.baseVal;
    image.setAttribute("role", "button");
    image.setAttribute("tabindex", "0");
    image.setAttribute("aria-label", "enlarge");
    image.addEventListener("click", () => enlarge(address, ""));
    image.addEventListener("keydown", (event) => {
      if (event.key === "Enter") enlarge(address, "");
    });
  }

  for (const heading of document.querySelectorAll("thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading));
    heading.append(button);
  }
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
  reveal();
})();
