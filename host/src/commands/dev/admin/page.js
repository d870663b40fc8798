// Keeps the status page up to date. The server renders everything but the rows of the tail; what is
// put in here goes in as text.
"use strict";

const KEPT = 50;
const PAUSE_MS = 1000;

const tail = document.getElementById("tail");
const state = document.getElementById("live-state");

function cell(row, text, kind) {
  const td = row.insertCell();
  td.textContent = text ?? "";
  if (kind) td.className = kind;
  return td;
}

function statusKind(status) {
  if (status >= 500) return "bad";
  return status >= 400 ? "warn" : "good";
}

function show(entry) {
  const row = tail.insertRow(0);
  cell(row, entry.time.slice(11, 23), "mono nowrap");
  const tag = document.createElement("span");
  tag.className = `tag ${statusKind(entry.status)}`;
  tag.textContent = entry.status;
  cell(row, "").append(tag);
  cell(row, `${entry.method} ${entry.host}${entry.path}`, "mono wrap");
  cell(row, entry.rule);
  cell(row, entry.backend);
  cell(row, entry.endpoint, "mono");
  cell(row, entry.tries, "number");
  cell(row, entry.duration_ms.toFixed(1), "number");
  cell(row, entry.response_bytes, "number");
  cell(row, entry.worker, "number");
  while (tail.rows.length > KEPT) tail.deleteRow(-1);
}

let due = false;
let running = false;

// The parts of the page that change, from the page itself.
async function refresh() {
  if (running) {
    due = true;
    return;
  }
  running = true;
  try {
    const answer = await fetch("/", { cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(part.id);
      if (now && now.innerHTML !== part.innerHTML) part.replaceWith(document.adoptNode(now));
    }
  } catch {
    // The server has gone; the events say when it is back.
  }
  running = false;
  setTimeout(() => {
    if (due) {
      due = false;
      refresh();
    }
  }, PAUSE_MS);
}

const events = new EventSource("/requests");
events.addEventListener("open", () => {
  state.className = "count on";
  state.textContent = "live";
});
events.addEventListener("error", () => {
  state.className = "count";
  state.textContent = "not connected";
});
events.addEventListener("request", (event) => {
  show(JSON.parse(event.data));
  refresh();
});
events.addEventListener("change", refresh);
