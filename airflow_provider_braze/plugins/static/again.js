document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("again");
  const button = form.querySelector("button");
  button.disabled = false;

  const say = (answer, words = "", address = "") => {
    for (const each of document.querySelectorAll("[data-answer]")) {
      each.hidden = each.dataset.answer !== answer;
      if (each.hidden) continue;
      if (words) each.querySelector(".words").textContent = words;
      if (address) each.querySelector("a").href = address;
    }
  };
  // Airflow's own API, as the person who is signed in: its rights decide, and its cookie goes to no other origin.
  const ask = (path, given) => fetch(`${form.dataset.api}${path}`, { credentials: "same-origin", ...given });
  const refused = async (answer) => {
    if ([401, 403, 404, 409].includes(answer.status)) return say(String(answer.status));
    let detail = "";
    try {
      ({ detail } = await answer.json());
    } catch {
      // An answer of something between us and Airflow.
    }
    say("refused", `${answer.status}. ${typeof detail === "string" ? detail : JSON.stringify(detail)}`);
  };
  const start = async (dryRun) => {
    const dag = await ask("");
    if (!dag.ok) return refused(dag);
    // A run of a paused DAG would wait until somebody switches it on.
    if ((await dag.json()).is_paused) return say("paused");
    const conf = {
      ...JSON.parse(form.dataset.conf),
      dry_run: dryRun,
      file_name: form.elements.file_name.value.trim() || null,
    };
    const answer = await ask("/dagRuns", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ logical_date: null, conf }),
    });
    if (!answer.ok) return refused(answer);
    const run = await answer.json();
    say(dryRun ? "plan" : "push", "", `${form.dataset.dag}/runs/${encodeURIComponent(run.dag_run_id)}`);
    // Whoever wants to push the same once more, opens the page once more.
    return !dryRun;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    say("asking");
    let pushed = false;
    try {
      pushed = await start(form.elements.dry_run.checked);
    } catch {
      say("silent");
    }
    button.disabled = pushed === true;
  });
});
