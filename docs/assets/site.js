// A link to what is in a tab opens that tab.
function openTab() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const block = target && target.closest(".tabbed-block");
  if (!block) return;
  const set = block.closest(".tabbed-set");
  const input = set.querySelectorAll(":scope > input")[[...block.parentElement.children].indexOf(block)];
  if (input && !input.checked) input.click();
  setTimeout(() => target.scrollIntoView(), 50);
}
window.addEventListener("hashchange", openTab);
window.addEventListener("load", openTab);

// Code that is wider than the page can be moved by the keyboard.
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
window.addEventListener("load", () => {
  for (const code of document.querySelectorAll("pre > code")) widths.observe(code);
  document.querySelector(".md-search[role=dialog]")?.setAttribute("aria-label", "Search");
  markCopies();
  new MutationObserver(markCopies).observe(document.body, { childList: true, subtree: true });
});

// The theme calls each button that copies code a navigation, which fills the list of landmarks.
function markCopies() {
  for (const nav of document.querySelectorAll("nav.md-code__nav:not([role])")) nav.setAttribute("role", "none");
}
