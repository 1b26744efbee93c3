// What the pages can do with JavaScript, and can do without.
"use strict";

document.documentElement.classList.add("js");

// A command or a request can be copied.
function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    return navigator.clipboard.writeText(text);
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "hidden";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  return Promise.resolve();
}

function offerCopies(root) {
  for (const command of root.querySelectorAll("[data-copy]")) {
    if (command.nextElementSibling && command.nextElementSibling.classList.contains("copy")) {
      continue;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${command.textContent}`);
    command.after(button);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.copy");
  if (!button) {
    return;
  }
  copy(button.previousElementSibling.textContent).then(() => {
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
});

// A slash leads to the search box, as on other pages of the field.
document.addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const box = document.getElementById("search");
    if (box) {
      event.preventDefault();
      box.focus();
    }
  }
});

// The numbers of a table, drawn.
function draw(place) {
  const rows = [...document.querySelectorAll(`#${place.dataset.chart} tbody tr`)];
  const days = rows.map((row) => Date.parse(`${row.cells[0].textContent}T00:00:00Z`) / 1000);
  const numbers = (cell) => rows.map((row) => Number(row.cells[cell].textContent));
  const colour = (name) => {
    const probe = document.createElement("span");
    probe.style.color = `var(--${name})`;
    place.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const axis = { stroke: colour("dim"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  const chart = new uPlot({
    width: place.clientWidth,
    height: 260,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { y: { range: (_, low, high) => [Math.min(0, low), Math.max(1, high * 1.08)] } },
    axes: [{ ...axis, values: (_, days) => days.map((day) => new Date(day * 1000).toISOString().slice(5, 10)) }, { ...axis, size: 60 }],
    series: [
      { label: "Day", value: (_, seconds) => (seconds ? new Date(seconds * 1000).toISOString().slice(0, 10) : "") },
      { label: "Owned", stroke: colour("dim"), width: 2, dash: [6, 4], points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) },
      { label: "Used", stroke: colour("link"), width: 2, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) },
    ],
  }, [days, numbers(1), numbers(2)], place);
  new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height: 260 })).observe(place);
}

offerCopies(document);
document.addEventListener("htmx:after:swap", () => offerCopies(document));
if (typeof uPlot !== "undefined") {
  document.querySelectorAll("[data-chart]").forEach(draw);
}
