"use strict";
(() => {
  const $ = id => document.getElementById(id);
  let view, carried = null, tab = "go", past = -1;
  const by = { link: false, after: false, id: false, preorder: false }; // how a drag attaches

  // h makes an element: attributes, and children that are elements or text.
  const h = (tag, attrs = {}, ...children) => {
    const e = document.createElement(tag);
    for (const [k, v] of Object.entries(attrs)) {
      if (v === false || v == null) continue;
      e.setAttribute(k, v === true ? "" : v);
    }
    e.append(...children.flat(9).filter(c => c != null && c !== false));
    return e;
  };
  const json = JSON.stringify;

  // Everything that somebody does is an action, whose answer is the next view.
  // A refusal, and a packet's way, are brought into sight.
  const act = action => {
    draw(JSON.parse(nk.do(json(action))));
    if (view.Moved && (view.Now?.Refusal || view.Now?.Packet) && $("now").getBoundingClientRect().top > innerHeight - 160) $("now").scrollIntoView({ block: "nearest" });
  };
  const say = text => act({ Do: "say", Text: text });

  // chip is a program, in a list or on the shelf.
  const chip = (e, attrs) => h("button", { type: "button", ...attrs },
    e.Prog ?? e.Name, e.Link ? h("span", { class: "at" }, "@" + e.Link) : null,
    e.Preorder ? h("small", { class: "pre", title: "attached with PREORDER" }, "PREORDER") : null,
    e.Type && e.Type !== "sched_cls" ? h("small", { title: "its type" }, e.Type) : null, h("small", { title: "what it returns" }, e.Verdict));

  const offers = (list, key) => list.map(o => h("button", { type: "button", class: "small", "data-say": o.Says, "data-key": key + o.Label, title: o.Says }, o.Label));

  const select = (key, label, options) => h("label", {}, label, " ", h("select", { "data-by": key, "data-key": "by" + key },
    options.map(([value, text]) => h("option", { value, selected: String(by[key]) === value }, text))));

  const shelf = v => h("div", { class: "shelf" },
    h("div", { class: "row" }, h("span", { class: "what" }, "programs"),
      v.Programs?.length > 24
        ? h("select", { "data-many": true, "aria-label": "take up a program", "data-key": "many" }, h("option", { value: "" }, v.Programs.length + " programs: take one up"), v.Programs.map(p => h("option", { value: p.Name }, p.Name)))
        : (v.Programs ?? []).map(p => chip(p, { class: "chip", draggable: "true", "data-pick": json({ Prog: p.Name }), "data-key": "p" + p.Name, title: "take up " + p.Name })),
      h("span", { class: "row offers" }, offers(v.Loads.map(o => ({ ...o, Label: "+ " + o.Label })), "o"))),
    v.Links?.length ? h("div", { class: "row" }, h("span", { class: "what" }, "links"), v.Links.map(l => h("span", { class: "box" },
      h("button", { type: "button", class: "chip link", draggable: "true", "data-pick": json({ Link: l.Name }), "data-key": "l" + l.Name, "data-place": json({ Link: l.Name }), title: "take up link " + l.Name }, l.Name,
        h("small", {}, l.Hook ? `${l.Prog} on ${l.Hook}` : `${l.Prog}, defunct`, ...(l.Held ?? []).map(f => `, fd ${f.FDs.join(" ")}${f.Process ? " of " + f.Process : ""}`), l.Held ? "" : ", no fd", l.Pins ? ", pinned" : "")),
      h("span", { class: "row offers" }, offers(l.Offers ?? [], "lo" + l.Name))))) : null,
    v.Pins?.length ? h("div", { class: "row" }, h("span", { class: "what" }, "pins"), v.Pins.map(p => h("span", { class: "box" }, h("code", {}, ` ${p.Path} → ${p.Object} `), h("span", { class: "row offers" }, offers(p.Offers, "pin" + p.Path))))) : null,
    h("div", { class: "row offers" }, h("span", { class: "what" }, "devices"), offers(v.Makes.map(o => ({ ...o, Label: "+ " + o.Label })), "o")),
    h("div", { class: "row pickby" }, h("span", { class: "what" }, "a drag"), h("span", { class: "bar" },
      select("link", "attaches", [["false", "directly"], ["true", "through a new link"]]),
      select("after", "says", [["false", "BEFORE"], ["true", "AFTER"]]),
      select("id", "names the neighbour by", [["false", "fd"], ["true", "id"]]),
      v.Cgroups ? select("preorder", "to a cgroup", [["false", "without PREORDER"], ["true", "with PREORDER"]]) : null)));

  const gap = (hook, i, n) => h("li", {}, h("button", { type: "button", class: "gap", "data-place": json({ Hook: hook, Gap: i }), "data-key": `g${hook}${i}`, tabindex: carried ? "0" : "-1",
    "aria-label": n === 0 ? `onto ${hook}` : i === n ? `${hook}: behind all` : i === 0 ? `${hook}: in front of all` : `${hook}: place ${i}` }));

  // hook is a list in the order in which its programs run.
  const hook = k => {
    let at = 0, ran = 0;
    const items = [];
    for (const e of k.Shown ?? []) {
      if (e.Gone) {
        items.push(h("li", {}, h("span", { class: "chip gone ghost", "aria-label": e.Prog + " is gone" }, e.Prog, e.Link ? "@" + e.Link : "")));
        continue;
      }
      if (!k.Filters) items.push(gap(k.Name, at, k.Entries.length));
      const runs = k.Stop?.Ran?.some(r => r.Prog === e.Prog), idle = k.Stop && !runs;
      const ended = k.Stop?.Ended && (k.Mode ? e.Verdict === "DROP" : k.Stop.Ran?.at(-1)?.Prog === e.Prog);
      items.push(h("li", { style: runs ? `--n:${ran++}` : null }, k.Filters ? h("span", { class: "chip ghost" + (ended ? " stopper" : "") + (runs ? " ran" : idle ? " idle-prog" : "") + (e.New ? " new" : "") }, e.Prog, h("small", {}, e.Verdict))
        : chip(e, { class: "chip" + (e.New ? " new" : "") + (ended ? " stopper" : "") + (runs ? " ran" : idle ? " idle-prog" : ""), draggable: "true", "data-key": `e${k.Name}${at}`,
          "data-pick": json({ Prog: e.Prog, Link: e.Link, Hook: k.Name }), "data-place": json({ Hook: k.Name, Gap: at, Over: true }),
          "aria-label": `${e.Prog}${e.Link ? " of link " + e.Link : ""}, position ${at} of ${k.Name}, returns ${e.Verdict}${e.Preorder ? ", with PREORDER" : ""}${e.New ? ", new" : ""}` })));
      at++;
    }
    if (!k.Filters) items.push(gap(k.Name, at, k.Entries.length));
    const idle = !k.Entries.length && !k.Runs && (k.Says.startsWith("tcx") || k.Cgroup) && !k.Changed && k.Revision === 1;
    return h("div", { class: "hook" + (k.Changed ? " changed" : "") + (idle ? " idle" : ""), "data-hook": k.Name },
      h("div", { class: "head" }, h("code", {}, k.Filters ? k.Name.replace(":", " ") : k.Name), h("span", { class: "quiet" }, k.Says),
        k.Filters ? null : h("span", { class: "rev", title: "each change adds one" }, `revision ${k.Revision}`, k.Query ? `, a query says ${k.Query}` : "", k.Mode ? `, mode ${k.Mode}` : "")),
      h("ol", { class: "list", "aria-label": k.Cgroup ? `${k.Name}, its list` : `${k.Name}, in the order of execution` }, items, (k.Shown ?? []).length ? null : h("li", { class: "none" }, "empty")),
      k.Runs ? h("div", { class: "runs" }, h("span", { class: "quiet" }, "runs here "), listed(k.Runs, k.Cgroup)) : null,
      k.Stop?.Ended ? h("div", { class: "ends" }, "the packet ends here") : null);
  };

  const device = d => h("div", { class: "device" },
    h("div", { class: "bar" }, h("h3", {}, d.Name, h("span", { class: "quiet" }, " ", d.Kind === "device" ? "" : d.Kind, d.Peer ? (d.Primary ? ", primary" : ", peer of " + d.Peer) : "", d.Policy === "blackhole" ? ", policy blackhole" : "", d.Netns ? ", in " + d.Netns : "", d.Qdisc ? ", qdisc " + d.Qdisc : "")),
      d.Sends ? h("button", { type: "button", class: "small", "data-say": "send " + d.Name, "data-key": "send" + d.Name, title: "send " + d.Name }, "send a packet") : null),
    (d.Hooks ?? []).map(hook));

  const cgroup = c => h("div", { class: "device cgroup", style: `--depth:${c.Depth}` },
    h("div", { class: "bar" }, h("h3", {}, c.Name, h("span", { class: "quiet" }, " cgroup", c.Parent ? " in " + c.Parent : "", c.Processes?.length ? ", with " + c.Processes.map(p => p || "the first process").join(", ") : "")),
      h("span", { class: "row offers" }, offers(c.Offers, "c" + c.Name))),
    (c.Hooks ?? []).map(hook));

  const devices = (list, cgroups) => {
    const out = [], seen = new Set();
    for (const d of list ?? []) {
      const key = d.Netns + "/" + d.Name;
      if (seen.has(key)) continue;
      const peer = list.find(o => o.Name === d.Peer && o.Peer === d.Name && o !== d);
      seen.add(key);
      if (!peer) { out.push(device(d)); continue; }
      seen.add(peer.Netns + "/" + peer.Name);
      out.push(h("div", { class: "pair" }, device(d), device(peer)));
    }
    const groups = cgroups ? h("div", { class: "cgroups" }, cgroups.map(cgroup)) : null;
    return h("div", { class: "pairs" }, out.length || groups ? [out, groups] : h("p", { class: "quiet" }, "No device yet: make a netkit pair above, or type: netkit nk0 nk1"));
  };

  // prose is text in which what stands between backticks is code.
  const prose = text => text.split("`").map((part, i) => i % 2 ? h("code", {}, part) : part);

  const lesson = l => !l ? [] : [
    h("h2", {}, l.Title), l.Text.map(t => h("p", {}, prose(t))),
    h("div", { class: "task" + (l.Done ? " done" : "") }, h("p", {}, h("b", {}, l.Done ? "Done. " : "Your task. "), prose(l.Task)),
      h("ul", { class: "goals" }, l.Goals.map(g => h("li", { class: g.Met ? "met" : null }, h("span", {}, prose(g.Text)), h("span", { class: "hide" }, g.Met ? " (done)" : " (to do)"))))),
    h("details", {}, h("summary", { "data-key": "solution" }, "a solution"), h("pre", { class: "code" }, l.Solution.join("\n")), h("p", {}, h("button", { type: "button", class: "small", "data-solve": true, "data-key": "solve" }, "play it"))),
    l.Families ? h("details", {}, h("summary", { "data-key": "families" }, "netkit, tcx and cgroups side by side"), h("dl", { class: "families" }, l.Families.map(f => [h("dt", {}, f.What),
      f.Netkit === f.TCX ? h("dd", {}, h("b", {}, "netkit, tcx "), prose(f.Netkit)) : [h("dd", {}, h("b", {}, "netkit "), prose(f.Netkit)), h("dd", {}, h("b", {}, "tcx "), prose(f.TCX))],
      h("dd", {}, h("b", {}, "cgroup "), prose(f.Cgroup))]))) : null,
    h("div", { class: "bar" }, l.Next && l.Done ? h("button", { type: "button", class: "primary", "data-lesson": l.Next, "data-key": "next" }, "next lesson") : null)];

  const listed = (list, home) => h("span", { class: "listed" }, "[", list.length > 14 ? [list.slice(0, 6).map(e => small(e, home)), `… ${list.length - 11} more …`, list.slice(-5).map(e => small(e, home))] : list.map(e => small(e, home)), "]");
  const small = (e, home) => h("span", { class: "chip ghost" + (e.New ? " new" : "") + (e.Gone ? " gone" : "") }, e.Prog, e.Link ? h("span", { class: "at" }, "@" + e.Link) : null, home && e.On && e.On !== home ? h("small", {}, "of " + e.On) : null);

  const change = c => h("div", { class: "change" }, h("span", { class: "hookname" }, c.Hook, c.Filters ? ", filters" : c.Runs ? ", what runs" : ""),
    listed(c.Before ?? []), h("span", { class: "arrow" }, "→"), c.Deleted ? h("span", { class: "ends" }, "gone with its " + (c.Filters ? "qdisc" : c.Cgroup ? "cgroup" : "device")) : listed(c.After ?? []),
    c.Deleted || c.Filters || c.Runs ? null : h("span", { class: "step", title: "the revision" }, `${c.From}→${c.To}`),
    c.Mode ? h("span", { class: "quiet" }, "mode " + c.Mode) : null,
    !c.Deleted && !c.Filters && !c.Cgroup && !c.Runs && !(c.After ?? []).length && c.To !== 1 ? h("span", { class: "quiet" }, "a query of the empty hook says 1") : null);

  const now = n => {
    if (!n) return [];
    const codes = n.Code ?? [], shown = codes.find(c => c.ID === tab) ?? codes[0];
    const stopped = (n.Checks ?? []).find(c => !c.Passed);
    return [
      n.Caption ? h("p", { class: "caption" }, prose(n.Caption)) : null,
      h("p", { class: "saidline" }, n.Text),
      (n.Changes ?? []).map(change),
      !n.Refusal && !n.Packet && n.Answer && !(n.Changes ?? []).length ? h("p", { class: "mono" }, n.Answer) : null,
      n.Refusal ? h("div", { class: "refusal" }, h("span", { class: "errno" }, n.Refusal.Errno), h("b", {}, n.Refusal.Text || n.Refusal.Found),
        n.Refusal.Rule ? h("p", {}, "Found: ", n.Refusal.Found, ". ", h("span", { class: "quiet" }, "Rule ", h("code", {}, n.Refusal.Rule), ", in ", h("code", {}, n.Refusal.Source))) : null) : null,
      n.Packet ? [h("p", {}, h("b", {}, n.Packet.Delivered ? "Delivered: " : "Not delivered: "), n.Packet.End + "."),
        h("ol", { class: "route" }, h("li", {}, n.Packet.From + (n.Packet.Datagram ? " sends" : " transmits")), (n.Packet.Stops ?? []).filter(s => s.Ran?.length || s.Idle?.length || s.Ended).map((s, i) => h("li", { class: s.Ended ? "end" : null, style: `--n:${i + 1}` }, h("code", {}, s.Hook, s.Filters ? " filters" : ""), ": ", s.Ran?.length ? s.Ran.map(e => `${e.Prog} ${e.Verdict}`).join(", ") : "nothing runs", s.Idle?.length ? h("span", { class: "quiet" }, `; not ${s.Idle.map(e => e.Prog).join(", ")}`) : "")),
          n.Packet.Delivered ? h("li", { class: "last", style: "--n:7" }, n.Packet.To + " receives it") : null)] : null,
      n.Checks?.length ? h("details", { open: !!stopped }, h("summary", { "data-key": "checks" }, stopped ? "the kernel's checks, up to the one that stopped it" : "the kernel's checks"),
        h("ol", { class: "checks" }, n.Checks.map(c => h("li", { class: !c.Passed ? "stopped" : c.Rule ? null : "did" }, h("span", {}, c.Text), c.Rule ? h("code", {}, c.Rule) : "")))) : null,
      codes.length ? [h("div", { class: "tabs", role: "tablist", "aria-label": "The call" }, codes.map(c => h("button", { type: "button", class: "small", role: "tab", id: "tab-" + c.ID, "aria-selected": String(c === shown), "aria-controls": "code", tabindex: c === shown ? "0" : "-1", "data-tab": c.ID, "data-key": "tab" + c.ID }, c.Title))),
        h("div", { id: "code", role: "tabpanel", "aria-labelledby": "tab-" + shown.ID }, shown.Text ? h("pre", { class: "code", tabindex: "0" }, shown.Text) : h("p", { class: "quiet" }, shown.Note))] : null];
  };

  const steps = v => v.Steps?.length ? v.Steps.map((s, i) => h("li", {}, s.Caption ? h("p", { class: "why" }, prose(s.Caption)) : null,
    h("button", { type: "button", class: (i >= v.At ? "later " : "") + (s.Refused ? "refused" : ""), "aria-current": i === v.At - 1 ? "step" : null, "data-go": i + 1, "data-key": "s" + i },
      s.Text, h("small", {}, s.Refused ? s.Answer : s.Pictures?.length ? s.Pictures.join("; ") : s.Answer)))) : [h("li", { class: "quiet" }, "nothing yet")];

  const wrong = m => {
    if (!m) return [];
    const line = m.Text.split("\n")[0];
    if (!m.Column) return [h("pre", {}, line), h("p", {}, m.Reason)];
    const from = Math.min(m.Column - 1, line.length), to = from + (line.slice(from).match(/^\S*/)[0].length || 0);
    return [h("pre", {}, line.slice(0, from), h("mark", {}, line.slice(from, to) || " here "), line.slice(to)), h("p", {}, m.Reason)];
  };

  // draw shows a view. What had the focus has it again.
  const draw = next => {
    const key = document.activeElement?.dataset?.key, opened = new Set([...document.querySelectorAll("main details[open] summary")].map(s => s.dataset.key));
    const sameStep = view && view.At === next.At && view.Now?.Text === next.Now?.Text;
    view = next;
    $("release").replaceChildren(...view.Releases.map(r => h("option", { selected: r === view.Release }, r)));
    $("features").querySelector("fieldset").replaceChildren(h("legend", { class: "hide" }, "Features of the kernel"), ...view.Features.map(f => h("label", {}, h("input", { type: "checkbox", checked: f.On, "data-feature": f.Name, "data-key": "f" + f.Name }), " ", f.Name)));
    $("lessons").replaceChildren(...view.Lessons.map((l, i) => h("li", {}, h("button", { type: "button", "data-lesson": l.ID, "data-key": "lesson" + l.ID, class: l.Done ? "done" : null, "aria-current": view.Lesson?.ID === l.ID ? "true" : null }, `${i + 1} ${l.Title}`, l.Done ? h("span", { class: "hide" }, " (solved)") : null))),
      h("li", {}, h("button", { type: "button", "data-lesson": "", "data-key": "free", "aria-current": view.Lesson ? null : "true" }, "free play")));
    $("lesson").replaceChildren(...lesson(view.Lesson).flat(9).filter(Boolean));
    const l = view.Lesson, met = l?.Goals.filter(g => g.Met).length;
    $("solved").hidden = !l || !met;
    $("solved").classList.toggle("done", !!l?.Done);
    $("solved").replaceChildren(...(!l || !met ? [] : l.Done
      ? [h("b", {}, "Done. "), l.Next ? h("button", { type: "button", class: "small", "data-lesson": l.Next, "data-key": "on" }, "next lesson") : "That was the last lesson."]
      : [`${met} of ${l.Goals.length} reached`]));
    $("main").classList.toggle("free", !view.Lesson);
    $("main").classList.toggle("moved", view.Moved);
    $("main").classList.toggle("carrying", !!carried);
    $("shelf").replaceChildren(shelf(view));
    $("devices").replaceChildren(devices(view.Devices, view.Cgroups));
    $("now").replaceChildren(...now(view.Now).flat(9).filter(Boolean));
    $("steps").replaceChildren(...steps(view));
    $("at").textContent = `${view.At} of ${view.Steps?.length ?? 0}`;
    $("back").disabled = view.At === 0;
    $("forth").disabled = view.At === (view.Steps?.length ?? 0);
    $("note").textContent = view.Note;
    $("note").hidden = !view.Note;
    $("wrong").replaceChildren(...wrong(view.Mistake));
    $("say").setAttribute("aria-invalid", String(!!view.Mistake));
    for (const s of document.querySelectorAll("main summary")) if (opened.has(s.dataset.key) && (sameStep || s.dataset.key !== "checks")) s.parentElement.open = true;
    history.replaceState(null, "", "#" + view.Link);
    carry();
    if (key) document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
    const current = $("steps").querySelector("[aria-current]"), box = $("past");
    if (current && box.scrollHeight > box.clientHeight) current.scrollIntoView({ block: "nearest" });
  };

  // Something is taken up, by a drag or a press, and put somewhere.
  const carry = () => {
    const name = carried && (carried.Prog ?? "") + (carried.Link ? (carried.Prog ? "@" : "link ") + carried.Link : "");
    $("carry").hidden = !carried;
    $("main").classList.toggle("carrying", !!carried);
    for (const g of document.querySelectorAll(".gap")) g.tabIndex = carried ? 0 : -1;
    for (const c of document.querySelectorAll("[data-pick]")) c.setAttribute("aria-pressed", String(!!carried && c.dataset.pick === json(carried)));
    if (!carried) return;
    const off = carried.Hook || carried.Link;
    $("carry").replaceChildren(h("span", {}, h("b", {}, name), " is taken up: choose a place in a list, or a program whose place it takes."),
      off ? h("button", { type: "button", class: "small", "data-place": json({ Off: true }), "data-key": "off" }, carried.Hook ? "take it off" : "close it") : "",
      h("button", { type: "button", class: "small", "data-letgo": true, "data-key": "letgo" }, "let go (Esc)"));
  };
  const takeUp = pick => {
    carried = pick;
    carry();
    const homes = pick.Hook ? [`.hook[data-hook="${CSS.escape(pick.Hook)}"] .gap`] : pick.Prog ? [".hook:not(.idle) .gap", ".gap"] : ["#carry button"];
    homes.map(q => document.querySelector(q)).find(Boolean)?.focus({ preventScroll: true });
  };
  const letGo = () => {
    const pick = carried && json(carried);
    carried = null;
    carry();
    if (pick) document.querySelector(`[data-pick="${CSS.escape(pick)}"]`)?.focus({ preventScroll: true });
  };
  const put = place => {
    const pick = { ...carried, ByLink: by.link, After: by.after, ByID: by.id, Preorder: by.preorder };
    carried = null;
    act({ Do: "drop", Pick: pick, Place: place });
  };

  document.addEventListener("click", e => {
    const t = e.target.closest("[data-say],[data-lesson],[data-go],[data-tab],[data-letgo],[data-place],[data-pick],[data-solve]"), d = t?.dataset;
    if (!t) return;
    if (d.say) say(d.say);
    else if (d.lesson !== undefined) { carried = null; act({ Do: "lesson", Text: d.lesson }); $("wrong").replaceChildren(); scrollTo({ top: 0 }); }
    else if (d.go) act({ Do: "go", At: +d.go });
    else if (d.tab) { tab = d.tab; draw({ ...view, Moved: false }); }
    else if (d.letgo !== undefined) letGo();
    else if (d.solve !== undefined) { act({ Do: "restart" }); say(view.Lesson.Solution.join("\n")); }
    else if (carried && d.pick && d.pick === json(carried)) letGo();
    else if (carried && d.place) put(JSON.parse(d.place));
    else if (d.pick) takeUp(JSON.parse(d.pick));
  });
  document.addEventListener("change", e => {
    const d = e.target.dataset;
    if (e.target.id === "release") act({ Do: "release", Text: e.target.value });
    else if (d.feature) act({ Do: "feature", Text: d.feature, Yes: e.target.checked });
    else if (d.by) by[d.by] = e.target.value === "true";
    else if (d.many !== undefined && e.target.value) takeUp({ Prog: e.target.value });
  });
  document.addEventListener("dragstart", e => {
    const t = e.target.closest?.("[data-pick]");
    if (touch) { // a finger drags as it is told below
      e.preventDefault();
      if (!touch.ghost) lift();
    }
    if (!t || touch) return;
    e.dataTransfer.setData("text/plain", t.textContent);
    setTimeout(() => { carried = JSON.parse(t.dataset.pick); carry(); }); // the drag has its picture by then
  });
  document.addEventListener("dragover", e => {
    const t = e.target.closest?.("[data-place]");
    for (const o of document.querySelectorAll(".over")) if (o !== t) o.classList.remove("over");
    if (!t || !carried) return;
    t.classList.add("over");
    e.preventDefault();
  });
  document.addEventListener("drop", e => {
    const t = e.target.closest?.("[data-place]");
    if (t && carried) { e.preventDefault(); put(JSON.parse(t.dataset.place)); }
  });
  document.addEventListener("dragend", () => { if (carried) letGo(); });

  // A finger that rests on something takes it up, and drags it; one that moves at once
  // scrolls, as ever.
  let touch = null;
  const below = t => document.elementFromPoint(t.clientX, t.clientY)?.closest("[data-place]");
  const lift = () => {
    clearTimeout(touch.rests);
    const ghost = touch.from.cloneNode(true), box = touch.from.getBoundingClientRect();
    ghost.removeAttribute("data-key");
    ghost.removeAttribute("data-pick");
    ghost.classList.add("ghost", "lifted");
    ghost.style.width = box.width + "px";
    document.body.append(ghost);
    Object.assign(touch, { ghost, by: 0 });
    carried = touch.pick;
    carry();
    follow(touch);
    touch.scrolls = setInterval(() => { if (touch.by) { scrollBy(0, touch.by); follow(touch); } }, 16);
  };
  const follow = at => {
    touch.ghost.style.transform = `translate(${at.clientX - touch.ghost.offsetWidth / 2}px, ${at.clientY - touch.ghost.offsetHeight - 10}px)`;
    touch.by = at.clientY < 70 ? -10 : at.clientY > innerHeight - 70 ? 10 : 0;
    touch.clientX = at.clientX;
    touch.clientY = at.clientY;
    const t = below(at);
    for (const o of document.querySelectorAll(".over")) if (o !== t) o.classList.remove("over");
    t?.classList.add("over");
    return t;
  };
  const touchEnds = () => {
    clearTimeout(touch?.rests);
    clearInterval(touch?.scrolls);
    touch?.ghost?.remove();
    touch = null;
  };
  document.addEventListener("touchstart", e => {
    const from = e.target.closest?.("[data-pick]"), t = e.touches[0];
    touchEnds();
    if (from && e.touches.length === 1) touch = { from, pick: JSON.parse(from.dataset.pick), clientX: t.clientX, clientY: t.clientY, rests: setTimeout(lift, 200) };
  }, { passive: true });
  document.addEventListener("touchmove", e => {
    const t = e.touches[0];
    if (touch?.ghost) { e.preventDefault(); follow(t); }
    else if (touch && Math.hypot(t.clientX - touch.clientX, t.clientY - touch.clientY) > 8) touchEnds();
  }, { passive: false });
  document.addEventListener("touchend", e => {
    if (touch?.ghost) {
      e.preventDefault(); // no press follows
      const place = follow(e.changedTouches[0])?.dataset.place, stayed = below(touch) === touch.from;
      touchEnds();
      if (stayed) return; // taken up, as by a press
      place ? put(JSON.parse(place)) : letGo();
    } else touchEnds();
  }, { passive: false });
  document.addEventListener("touchcancel", () => { if (touch?.ghost) letGo(); touchEnds(); });
  document.addEventListener("contextmenu", e => { if (touch) e.preventDefault(); });

  // The line that is typed, with what may stand in it.
  const box = $("say"), words = $("words");
  let found = { Words: [], Start: 0 }, chosen = -1;
  const grow = () => { box.rows = Math.min(8, box.value.split("\n").length); };
  const lineStart = () => box.value.lastIndexOf("\n", box.selectionStart - 1) + 1;
  const suggest = show => {
    found = show ? JSON.parse(nk.complete(box.value.slice(lineStart(), box.selectionStart))) : { Words: [], Start: 0 };
    found.Words ??= [];
    const begun = box.value.slice(lineStart() + found.Start, box.selectionStart);
    if (found.Words.length === 1 && found.Words[0] === begun) found.Words = [];
    chosen = -1;
    words.hidden = !found.Words.length;
    box.setAttribute("aria-expanded", String(!words.hidden));
    box.removeAttribute("aria-activedescendant");
    words.replaceChildren(...found.Words.map((w, i) => h("li", { role: "option", id: "word" + i, "aria-selected": "false" }, w)));
  };
  const choose = i => {
    chosen = (i + found.Words.length) % found.Words.length;
    [...words.children].forEach((w, n) => w.setAttribute("aria-selected", String(n === chosen)));
    words.children[chosen].scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", "word" + chosen);
  };
  const accept = i => {
    const from = lineStart() + found.Start, to = box.selectionStart, word = found.Words[i];
    const text = word + (/[=/:]$/.test(word) || box.value[to] === " " ? "" : " ");
    box.setRangeText(text, from, to, "end");
    suggest(true);
  };
  const run = () => {
    if (!box.value.trim()) return;
    const before = box.value;
    suggest(false);
    past = -1;
    say(before);
    box.value = view.Mistake ? view.Mistake.Text : "";
    grow();
    if (view.Mistake) {
      const line = box.value.split("\n")[0], from = Math.max(0, view.Mistake.Column - 1);
      box.setSelectionRange(Math.min(from, line.length), from + (line.slice(from).match(/^\S*/)?.[0].length ?? 0));
    }
    box.focus();
  };
  box.addEventListener("input", () => { grow(); past = -1; $("wrong").replaceChildren(); box.setAttribute("aria-invalid", "false"); suggest(true); });
  box.addEventListener("blur", () => setTimeout(() => { if (document.activeElement !== box) suggest(false); }, 150));
  words.addEventListener("mousedown", e => { const i = [...words.children].indexOf(e.target); if (i >= 0) { e.preventDefault(); accept(i); } });
  box.addEventListener("keydown", e => {
    const open = !words.hidden, said = (view?.Steps ?? []).map(s => s.Text);
    if (e.key === "Enter" && !e.shiftKey) { e.preventDefault(); open && chosen >= 0 ? accept(chosen) : run(); }
    else if (e.key === "Tab" && open && !e.shiftKey) { e.preventDefault(); accept(Math.max(0, chosen)); }
    else if (e.key === "Escape" && open) { suggest(false); e.stopPropagation(); }
    else if (e.key === "ArrowDown" && open) { e.preventDefault(); choose(chosen + 1); }
    else if (e.key === "ArrowUp" && open && chosen >= 0) { e.preventDefault(); choose(chosen - 1); }
    else if ((e.key === "ArrowUp" || e.key === "ArrowDown") && !box.value.includes("\n") && said.length) {
      e.preventDefault();
      suggest(false);
      past = Math.max(-1, Math.min(said.length - 1, past + (e.key === "ArrowUp" ? 1 : -1)));
      box.value = past < 0 ? "" : said[said.length - 1 - past];
    }
  });
  $("form").addEventListener("submit", e => { e.preventDefault(); run(); });
  $("back").addEventListener("click", () => act({ Do: "back" }));
  $("forth").addEventListener("click", () => act({ Do: "forth" }));
  $("restart").addEventListener("click", () => act({ Do: "restart" }));
  document.addEventListener("keydown", e => {
    if (e.key === "Escape") { if (carried) letGo(); else $("features").open = false; return; }
    if (e.altKey || e.ctrlKey || e.metaKey || e.target.closest("textarea,input,select,pre")) return;
    if (e.key !== "ArrowLeft" && e.key !== "ArrowRight") { if (e.key === "/") { e.preventDefault(); box.focus(); } return; }
    const step = e.key === "ArrowRight" ? 1 : -1, tabs = [...document.querySelectorAll("[role=tab]")], at = tabs.indexOf(e.target);
    e.preventDefault();
    if (at >= 0) { const t = tabs[(at + step + tabs.length) % tabs.length]; t.focus(); t.click(); }
    else act({ Do: step > 0 ? "forth" : "back" });
  });
  $("share").addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(location.href); $("shared").textContent = "copied"; }
    catch { $("shared").textContent = "the address of this page is the link"; }
    setTimeout(() => { $("shared").textContent = ""; }, 4000);
  });
  addEventListener("hashchange", () => { if (location.hash.slice(1) !== view.Link) draw(JSON.parse(nk.open(location.hash.slice(1)))); });
  addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("#now details")) d.open = true; });

  // What the page begins with was drawn when it was made, and is there before the kernel
  // is, which then answers whatever is done.
  const start = async () => {
    const link = location.hash.slice(1);
    if (!link) {
      document.body.inert = true;
      $("main").hidden = false;
      draw(JSON.parse($("first").textContent));
      await new Promise(painted => requestAnimationFrame(() => setTimeout(painted)));
    }
    const text = $("kernel").textContent;
    const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), c => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const go = new Go();
    const { instance } = await WebAssembly.instantiateStreaming(new Response(stream, { headers: { "Content-Type": "application/wasm" } }), go.importObject);
    go.run(instance);
    $("kernel").remove();
    const first = JSON.parse(nk.open(link));
    $("starting").hidden = true;
    $("main").hidden = document.body.inert = false;
    draw(first);
    document.documentElement.dataset.ready = String(Math.round(performance.now()));
  };
  start().catch(err => { $("main").hidden = true; $("starting").textContent = "The kernel does not start in this browser, which takes WebAssembly and DecompressionStream: " + err.message; });
})();
