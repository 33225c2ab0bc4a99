// Rows whose model and family hold none of the words are hidden, in every table; references always stay.
const box = document.getElementById("filter");
box.parentElement.hidden = false;
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const rows = [...document.querySelectorAll("tr[data-model]")];
  for (const row of rows) row.hidden = words.length > 0 && !words.some((word) => row.dataset.model.includes(word));
  const shown = new Set(rows.filter((row) => !row.hidden).map((row) => row.dataset.model));
  document.getElementById("shown").textContent = words.length ? `${shown.size} shown` : "";
});
