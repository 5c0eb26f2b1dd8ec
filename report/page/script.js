"use strict";
(() => {
  const prefix = document.getElementById("prefix"), shown = document.getElementById("shown");
  const unfold = document.getElementById("unfold");
  const bodies = [...document.querySelectorAll(".matrix tbody")];
  const choices = [...document.querySelectorAll(".choice button")];
  let show = "all";
  for (const e of document.querySelectorAll(".bar [hidden]")) e.hidden = false;

  const fold = (body, yes) => {
    body.classList.toggle("folded", yes);
    body.querySelector(".group button").setAttribute("aria-expanded", String(!yes));
  };
  const label = () => {
    unfold.textContent = bodies.some(b => b.classList.contains("folded")) ? "unfold all" : "fold all";
  };
  const apply = () => {
    const want = prefix.value.trim();
    const chosen = want !== "" || show !== "all";
    let count = 0;
    for (const body of bodies) {
      let any = false;
      for (const row of body.querySelectorAll(".rule")) {
        const hit = row.dataset.id.startsWith(want) && (show === "all" || row.classList.contains(show));
        row.classList.toggle("out", !hit);
        if (!hit) close(row);
        any ||= hit;
        count += hit;
      }
      body.classList.toggle("out", !any);
      fold(body, !chosen);
    }
    shown.textContent = chosen ? count + (count === 1 ? " rule" : " rules") : "";
    label();
  };

  // A deviating cell opens what it shows below its rule.
  const close = row => {
    const next = row.nextElementSibling;
    if (next?.classList.contains("detail")) next.remove();
    delete row.dataset.open;
  };
  const open = link => {
    const row = link.closest("tr"), id = link.hash.slice(1), was = row.dataset.open;
    close(row);
    if (was === id) return;
    const copy = document.getElementById(id).cloneNode(true);
    copy.removeAttribute("id");
    const detail = document.createElement("tr"), cell = document.createElement("td");
    detail.className = "detail";
    cell.colSpan = row.cells.length;
    cell.append(copy);
    detail.append(cell);
    row.after(detail);
    row.dataset.open = id;
  };

  document.querySelector(".matrix").addEventListener("click", e => {
    const link = e.target.closest(".rule td a"), group = e.target.closest(".group");
    if (link) {
      e.preventDefault();
      open(link);
    } else if (group) {
      fold(group.parentElement, !group.parentElement.classList.contains("folded"));
      label();
    }
  });
  // What a link leads to is opened, and all of it for paper.
  const reveal = hash => {
    const target = hash && document.getElementById(hash.slice(1)), inside = target?.closest("details");
    if (inside) inside.open = true;
    return target;
  };
  addEventListener("hashchange", () => reveal(location.hash)?.scrollIntoView());
  reveal(location.hash)?.scrollIntoView();
  addEventListener("beforeprint", () => {
    for (const more of document.querySelectorAll(".more")) more.open = true;
  });
  prefix.addEventListener("input", apply);
  for (const b of choices) b.addEventListener("click", () => {
    show = b.dataset.show;
    for (const other of choices) other.setAttribute("aria-pressed", String(other === b));
    apply();
  });
  unfold.addEventListener("click", () => {
    const yes = !bodies.some(b => b.classList.contains("folded"));
    for (const body of bodies) fold(body, yes);
    label();
  });
  apply();
})();
