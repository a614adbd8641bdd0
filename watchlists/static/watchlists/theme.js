// Theme of a page before its first paint. The server writes the preferences of a logged-in trader on <html>; the browser
// remembers their theme for pages without a trader: the login page and the error pages. A classic script in the head: a
// module would run after the first paint, which would show the wrong theme for a moment.
(() => {
  const KEY = "terminal.theme";
  const THEMES = ["auto", "dark", "light", "contrast"];
  const root = document.documentElement;
  try {
    if (root.dataset["stored"] !== undefined) {
      localStorage.setItem(KEY, root.dataset["theme"] ?? "auto");
      return;
    }
    const remembered = localStorage.getItem(KEY) ?? "auto";
    root.dataset["theme"] = THEMES.includes(remembered) ? remembered : "auto";
  } catch {
    // Storage is blocked in this browser: a page without a trader has the theme of the system.
  }
})();
