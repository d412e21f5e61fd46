// Wide tables scroll by themselves: let the keyboard reach them, too.
new MutationObserver(() => {
  document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])").forEach((table) => { table.tabIndex = 0 })
}).observe(document.documentElement, { childList: true, subtree: true })
