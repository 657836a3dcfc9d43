(() => {
  "use strict";
  const root = document.documentElement;
  let outside = null;
  try {
    outside = window.parent === window ? null : window.parent.document;
  } catch {
    // Framed by a page of another origin: the system's colours do.
  }

  // Airflow's own theme, custom ones too; without it, what the system prefers. Known before anything is painted.
  const TOKENS = ["bg", "fg", "fg-muted"];
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
  const prefer = () => (root.dataset.theme = prefersDark.matches ? "dark" : "light");
  const follow = () => {
    const theirs = outside.documentElement;
    const style = window.parent.getComputedStyle(theirs);
    const dark = theirs.classList.contains("dark") || theirs.dataset.theme === "dark";
    root.dataset.theme = dark ? "dark" : "light";
    root.style.setProperty("--font", window.parent.getComputedStyle(outside.body).fontFamily);
    for (const token of TOKENS) {
      const value = style.getPropertyValue(`--chakra-colors-${token}`).trim();
      if (value) root.style.setProperty(`--${token}`, value);
    }
  };
  if (!outside) {
    prefer();
    prefersDark.onchange = prefer;
  } else {
    follow();
    new MutationObserver(follow).observe(outside.documentElement, {
      attributes: true,
      attributeFilter: ["class", "data-theme", "style"],
    });
  }

  // Airflow's frame lets no link out of it; the page around it may follow one.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[target]");
    if (!link || !outside) return;
    event.preventDefault();
    const theirs = outside.createElement("a");
    theirs.href = link.href;
    theirs.rel = "noopener noreferrer";
    if (link.hasAttribute("download")) theirs.download = "";
    else if (link.target === "_blank" || event.ctrlKey || event.metaKey) theirs.target = "_blank";
    outside.body.append(theirs);
    theirs.click();
    theirs.remove();
  });

  // Airflow's own choice of a time zone; without one, that of the browser, as everywhere in Airflow.
  const timeZone = () => {
    try {
      const chosen = JSON.parse(localStorage.getItem("timezone")) ?? undefined;
      return new Intl.DateTimeFormat([], { timeZone: chosen }).resolvedOptions().timeZone;
    } catch {
      return undefined;
    }
  };
  const localTimes = () => {
    const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: timeZone() };
    for (const time of document.querySelectorAll("time")) {
      const at = new Date(time.dateTime);
      const shown = "day" in time.dataset ? { ...clock, year: "numeric", month: "short", day: "numeric" } : clock;
      time.textContent = at.toLocaleString([], shown);
      time.title = at.toLocaleString([], { dateStyle: "medium", timeStyle: "long", timeZone: clock.timeZone });
    }
  };

  // While pushes are under way: fetch the page again, and keep what the reader had open and focused.
  let paused = false;
  const bindPause = () => {
    const button = document.getElementById("pause");
    if (!button) return;
    button.hidden = false;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Go on" : "Pause";
    button.onclick = () => {
      paused = !paused;
      bindPause();
    };
  };
  const refresh = async () => {
    const main = document.querySelector("main");
    if (!("live" in main.dataset)) return;
    try {
      if (!paused && !document.hidden) {
        const answer = await fetch(location.href, { credentials: "same-origin" });
        // What somebody is choosing or typing is not taken from under their hands.
        if (answer.ok && !paused && !document.activeElement?.form) replace(main, await answer.text());
      }
    } catch {
      // The server is away for a moment: the next try may find it.
    }
    later(main);
  };
  const later = (main) => setTimeout(refresh, (Number(main.dataset.live) || 3) * 1000);
  const replace = (main, html) => {
    // The last ones: this very script, which is in the page, names both. What people wrote is escaped.
    const part = html.slice(html.lastIndexOf("<main"), html.lastIndexOf("</main>"));
    const fresh = new DOMParser().parseFromString(part, "text/html").querySelector("main");
    const open = [...main.querySelectorAll("details[open]")].map((details) => details.id);
    const focused = document.activeElement?.id;
    const row = document.activeElement?.getAttribute("href");
    main.replaceWith(document.adoptNode(fresh));
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    // A row's link has no id, to keep the page small; its address is its own.
    const again = focused
      ? document.getElementById(focused)
      : row && [...document.links].find((link) => link.getAttribute("href") === row);
    again?.focus({ preventScroll: true });
    localTimes();
    bindPause();
    offerAlone();
  };
  // In a small window, or one that is zoomed, Airflow's own pages leave little room for this one.
  const offerAlone = () => {
    const link = document.getElementById("alone");
    if (link && outside) link.hidden = false;
  };
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (!field.matches(".filter select, .filter [type=date]")) return;
    // A span of time and one day rule each other out.
    if (field.id === "f-days") document.getElementById("f-day").value = "";
    field.form.requestSubmit();
  });
  // What is not asked for does not lengthen the address.
  document.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });
  document.addEventListener("DOMContentLoaded", () => {
    localTimes();
    offerAlone();
    bindPause();
    later(document.querySelector("main"));
  });
})();
