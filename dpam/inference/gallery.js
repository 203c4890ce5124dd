(() => {
  const grid = document.querySelector("main");
  const figures = [...grid.children];
  const [order, low, high, shown] = ["order", "low", "high", "shown"].map(id => document.getElementById(id));
  const score = figure => Number(figure.dataset.score);
  const shownScore = figure => Number(figure.querySelector("strong").textContent);
  const compare = {
    best: (a, b) => score(b) - score(a),
    worst: (a, b) => score(a) - score(b),
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, undefined, { numeric: true }),
  };
  const arrange = () => grid.append(...figures.sort(compare[order.value]));
  const filter = () => {
    const from = low.value === "" ? 0 : Number(low.value), to = high.value === "" ? 100 : Number(high.value);
    for (const figure of figures) figure.hidden = shownScore(figure) < from || shownScore(figure) > to;
    shown.textContent = `${figures.filter(figure => !figure.hidden).length} shown`;
  };
  const enlarge = button => {
    const figure = button.parentElement;
    if (!button.querySelector(".lost")) {
      const both = document.createElement("span"), map = new Image();
      both.className = "lost";
      map.src = figure.dataset.lost;
      map.alt = "where quality is lost";
      both.append(button.querySelector("img").cloneNode(), map);
      button.append(both);
    }
    figure.classList.toggle("large");
  };
  grid.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (button) enlarge(button);
  });
  order.addEventListener("change", arrange);
  low.addEventListener("input", filter);
  high.addEventListener("input", filter);
  document.querySelector("form").hidden = false;
  document.querySelector("form").addEventListener("submit", event => event.preventDefault());
  filter();
})();
