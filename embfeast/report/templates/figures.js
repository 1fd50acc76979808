// Draws every figure, and lets the legends of the map choose. Colours are the page's own CSS
// variables, so light, dark and print need no other drawing.
const config = JSON.parse(document.getElementById("config").textContent);
const options = { mode: "vega-lite", renderer: "svg", actions: false };

// Names beside an axis get the room that the figure has.
function fitted(place) {
  const labelLimit = Math.max(config.axis.labelLimit, place.clientWidth / 3.5);
  return { ...config, axis: { ...config.axis, labelLimit } };
}

async function draw(script) {
  const place = document.getElementById(script.dataset.for);
  const drawn = { ...options, config: fitted(place) };
  const { view } = await vegaEmbed(place, JSON.parse(script.textContent), drawn);
  const legends = place.closest("figure").querySelector(".legends");
  if (legends) connect(legends, view);
}

function connect(legends, view) {
  const choose = (by, only) => {
    for (const list of legends.querySelectorAll(".legend")) {
      list.hidden = list.dataset.by !== String(by);
      for (const button of list.querySelectorAll("button")) {
        const chosen = !list.hidden && button.dataset.group === String(only);
        button.setAttribute("aria-pressed", String(chosen));
      }
    }
    view.signal("by", by).signal("only", only).runAsync();
  };
  legends.addEventListener("change", (event) => choose(Number(event.target.value), -1));
  legends.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const pressed = button.getAttribute("aria-pressed") === "true";
    const by = Number(button.closest(".legend").dataset.by);
    choose(by, pressed ? -1 : Number(button.dataset.group));
  });
}

// On a small screen the contents would stand in the way of the report.
const contents = document.querySelector("nav details");
contents.open = matchMedia("(min-width: 70rem)").matches;

const links = new Map(
  [...document.querySelectorAll("nav a")].map((a) => [a.getAttribute("href").slice(1), a]),
);
const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(target.id)?.setAttribute("aria-current", "true");
    }
  },
  { rootMargin: "0px 0px -80% 0px" },
);
for (const section of document.querySelectorAll("main > section")) seen.observe(section);

// One after the other, so that the first is there at once.
(async () => {
  for (const script of document.querySelectorAll("script[data-for]")) {
    try {
      await draw(script);
    } catch (error) {
      console.error(`${script.dataset.for}: ${error}`);
    }
  }
  document.documentElement.dataset.drawn = "true";
})();
