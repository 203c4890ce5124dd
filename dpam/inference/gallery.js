(() => {
  const grid = document.querySelector("main");
  const figures = [...grid.children];
  const [order, low, high, shown] = ["order", "low", "high", "shown"].map(id => document.getElementById(id));
  const score = figure => Number(figure.dataset.score);
  const compare = {
    best: (a, b) => score(b) - score(a),
    worst: (a, b) => score(a) - score(b),
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, undefined, { numeric: true }),
  };
  const arrange = () => grid.append(...figures.sort(compare[order.value]));
  const filter = () => {
    const from = low.value === "" ? 0 : Number(low.value), to = high.value === "" ? 100 : Number(high.value);
    for (const figure of figures) figure.hidden = score(figure) < from || score(figure) > to;
    shown.textContent = `${figures.filter(figure => !figure.hidden).length} shown`;
  };
  grid.addEventListener("click", event => event.target.closest("button")?.parentElement.classList.toggle("large"));
  order.addEventListener("change", arrange);
  low.addEventListener("input", filter);
  high.addEventListener("input", filter);
  document.querySelector("form").hidden = false;
  document.querySelector("form").addEventListener("submit", event => event.preventDefault());
  filter();
})();
