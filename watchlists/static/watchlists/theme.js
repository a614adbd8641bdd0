// Theme: dark, light or that of the system, stored in this browser. A classic script in the head: a module would run
// after the first paint, which would show the wrong theme for a moment.
(() => {
  const KEY = "terminal.theme";
  const THEMES = ["auto", "dark", "light"];
  const root = document.documentElement;

  const remembered = () => {
    try {
      return localStorage.getItem(KEY) ?? "auto";
    } catch {
      return "auto"; // Storage is blocked in this browser: use the theme of the system.
    }
  };

  /** @param {string} theme */
  const show = (theme) => {
    root.dataset["theme"] = THEMES.includes(theme) ? theme : "auto";
  };

  show(remembered());
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (button === null) {
      return;
    }
    const label = () => {
      button.title = `Theme: ${root.dataset["theme"]}`;
      button.setAttribute("aria-label", button.title);
    };
    label();
    button.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(root.dataset["theme"] ?? "auto") + 1) % THEMES.length] ?? "auto";
      show(next);
      label();
      try {
        localStorage.setItem(KEY, next);
      } catch {
        // Storage is blocked in this browser: the choice lasts until the page is left.
      }
    });
  });
})();
