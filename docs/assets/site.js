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
