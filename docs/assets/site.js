// What the theme leaves out for those who hear a page or have no mouse: names, and the keyboard.
const nameParts = () => {
  document.querySelector("[data-md-component=search]")?.setAttribute("aria-label", "Search");
  document
    .querySelectorAll(".md-code__nav")
    .forEach((nav, number) => nav.setAttribute("aria-label", `Code ${number + 1}`));
  document // what two names of the reference have in common stands there twice
    .querySelectorAll(".md-nav--secondary nav")
    .forEach((nav, number) => {
      nav.dataset.named ??= nav.getAttribute("aria-label");
      nav.setAttribute("aria-label", `${nav.dataset.named}, ${number + 1}`);
    });
  document
    .querySelectorAll(".md-typeset__scrollwrap")
    .forEach((table) => table.setAttribute("tabindex", "0"));
};
new MutationObserver(nameParts).observe(document.body, { childList: true, subtree: true });
nameParts();
