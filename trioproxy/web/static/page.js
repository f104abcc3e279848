// What /status/events tells, once a second, drawn onto the page. Data becomes text or numbers,
// never markup: some of it is named by callers.

const SECONDS = 300;
const BIN = 5;
const SHOWN = 60;
const FEW = 12;
const SILENCE = 6000;
const LONGEST_PAUSE = 5000;
const BLIND = 20;
const STAGES = [
  ["waiting", "waiting"],
  ["binding", "binding"],
  ["thinking", "first byte"],
  ["streaming", "streaming"],
  ["resetting", "reset"],
];
const SVG = "http://www.w3.org/2000/svg";

const at = (id) => document.getElementById(id);

// Making and changing nodes.

function make(tag, className = "", ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const glyph = (name) =>
  svg("svg", { class: "glyph", "aria-hidden": "true" }, svg("use", { href: `#g-${name}` }));

// Only what differs is written, so that a selection, a focus or a reader's place stays.
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function mark(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

function point(svgNode, name) {
  const use = svgNode.firstChild;
  if (use.getAttribute("href") !== `#g-${name}`) use.setAttribute("href", `#g-${name}`);
}

// Make `parent` have a child for each item, in order; each keeps its child by its key.
function match(parent, items, keyOf, create, update) {
  const known = (parent.known ??= new Map());
  const keys = new Set(items.map(keyOf));
  for (const [key, node] of known) {
    if (!keys.has(key)) {
      node.remove();
      known.delete(key);
    }
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    if (!known.has(key)) known.set(key, create(item));
    const node = known.get(key);
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
    update(node, item);
  });
}

function facts(list, items) {
  match(
    list,
    items,
    ([name]) => name,
    ([name]) => make("div", "", make("dt", "", name), make("dd")),
    (node, [, value, tone = "", unit = ""]) => {
      if (node.className !== tone) node.className = tone;
      const text = `${value}|${unit}`;
      if (node.shown === text) return;
      node.shown = text;
      node.lastChild.replaceChildren(value, ...(unit ? [make("small", "", ` ${unit}`)] : []));
    },
  );
}

// Words for numbers.

const count = (number) => number.toLocaleString("en");

function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value > 0 && value < 0.001) return "< 1 ms";
  if (value < 0.0995) return `${Math.round(value * 1000)} ms`;
  if (value < 9.95) return `${value.toFixed(1)} s`;
  if (value < 99.5) return `${Math.round(value)} s`;
  return long(value);
}

// As long as fits a tile.
function short(value) {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (value >= size) return `${Math.floor(value / size)} ${unit}`;
  }
  return `${Math.floor(value)} s`;
}

function long(value) {
  const whole = Math.floor(value);
  const parts = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([number]) => number > 0);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .map(([number, unit]) => `${number} ${unit}`)
    .join(" ");
}

function bytes(value) {
  if (value === null) return "–";
  for (const [size, unit] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (value >= size) return `${(value / size).toFixed(value >= size * 100 ? 0 : 1)} ${unit}`;
  }
  return `${value} B`;
}

// To the first two digits that say something.
function dollars(value) {
  return value ? `$${value.toFixed(Math.min(8, Math.max(2, 1 - Math.floor(Math.log10(value)))))}` : "$0";
}

const percent = (share) => (share === null ? "–" : `${(share * 100).toFixed(share < 0.9995 ? 1 : 0)} %`);
const clock = (unix) => new Date(unix * 1000).toLocaleTimeString("en-GB");
const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
const listed = (counts) => Object.entries(counts).map(([name, n]) => `${count(n)} ${name.replaceAll("_", " ")}`).join(", ");

// The bar that shows where a request's time went.

function makeBar() {
  const bar = make("div", "bar", ...STAGES.map(([name]) => make("i", name)));
  bar.setAttribute("aria-hidden", "true");
  return bar;
}

function setBar(bar, spent) {
  const whole = STAGES.reduce((sum, [name]) => sum + spent[name], 0);
  STAGES.forEach(([name], index) => {
    const share = whole > 0 ? spent[name] / whole : 0;
    const part = bar.children[index];
    part.hidden = share <= 0;
    part.style.flexGrow = share.toFixed(4);
  });
}

const inWords = (spent) =>
  STAGES.filter(([name]) => spent[name] >= 0.0005)
    .map(([name, word]) => `${word} ${seconds(spent[name])}`)
    .join(" · ") || "no times yet";

// The top.

function state(word, tone, sign) {
  say(at("state-word"), word);
  mark(at("state"), "is", tone);
  point(at("state").querySelector("svg"), sign);
  document.title = tone === "good" ? "trioproxy" : `${word} – trioproxy`;
}

function notice(text, tone = "") {
  say(at("notice"), text);
  mark(at("notice"), "is", tone);
  at("notice").hidden = !text;
}

function drawState(now) {
  if (now.closing) state("Stopping", "warn", "closing");
  else if (now.trouble) state("Unavailable", "bad", "warning");
  else if (now.starting) state("Starting", "warn", "booting");
  else if (now.offline) state("Serving, offline stand-in", "warn", "ok");
  else state("Serving", "good", "ok");
  if (now.trouble) notice(`No Claude process can be started: ${now.trouble}`, "bad");
  else if (now.offline) notice("Offline: answers come from the stand-in on this machine, not from a model.");
  else notice("");
}

function drawTop(now) {
  drawState(now);
  at("facts").hidden = false;
  say(at("uptime"), long(now.uptime));
  say(at("version"), now.version);
  say(at("pid"), String(now.pid));
  say(at("watching"), String(now.watching));
  say(at("as-of"), `As of ${clock(now.time)}.`);
}

function drawNumbers(now) {
  const { pool, recent } = now;
  const lately = now.history.filter(([second]) => second > now.time - 11 && second <= now.time - 1);
  const rate = lately.reduce((sum, row) => sum + row[1], 0) / 10;
  const most = now.settings ? `of ${now.settings.max_size}` : "";
  facts(at("numbers"), [
    ["Running", count(now.running.length)],
    ["Waiting", count(pool?.waiting ?? 0), pool?.waiting ? "warn" : ""],
    ["Processes", count(pool?.total_connections ?? 0), "", most],
    ["Requests, 10 s", rate.toFixed(1), "", "/s"],
    ["Requests, 5 min", count(recent.ended)],
    ["Failed, 5 min", count(recent.failed), recent.failed ? "bad" : "", recent.ended ? percent(recent.failed / recent.ended) : ""],
    ["Median", seconds(recent.p50)],
    ["p99", seconds(recent.p99)],
  ]);
}

// Processes.

const WORDS = { idle: "Idle", busy: "Busy", booting: "Booting", resetting: "Resetting", closing: "Closing" };

function makeTile(worker) {
  const tile = make("li", "tile");
  const title = make("h3", "", glyph(worker.state), make("span"), make("span", "mono", worker.id));
  tile.append(title, make("p", "does"), make("dl"));
  return tile;
}

function does(worker, request) {
  if (worker.state === "resetting") return "being reset";
  if (request) return `${request.stage}, ${seconds(request.seconds)}`;
  if (worker.state === "booting") return `for ${seconds(worker.age)}`;
  if (worker.state === "closing") return "being stopped";
  return worker.bound ? "has a system prompt" : "has no system prompt yet";
}

function drawTile(tile, worker, request) {
  mark(tile, "state", worker.state);
  const [title, line, list] = tile.children;
  point(title.children[0], worker.state in WORDS ? worker.state : "warning");
  say(title.children[1], WORDS[worker.state] ?? worker.state);
  say(line, does(worker, request));
  facts(list, [
    ["pid", worker.pid === null ? "–" : String(worker.pid)],
    ["prompt", worker.bound ? "yes" : "none yet"],
    ["uses", count(worker.uses)],
    ["messages kept", count(worker.messages)],
    ["memory", bytes(worker.rss)],
    ["age", short(worker.age)],
    ["idle", worker.state === "idle" ? short(worker.idle) : "–"],
  ]);
}

function note(pool, settings) {
  const parts = [];
  if (settings) parts.push(`kept: ${settings.min_size} to ${settings.max_size}`);
  parts.push(`${pool.available_connections} idle, ${pool.in_use_connections} in use, ${pool.booting} booting`);
  parts.push(pool.waiting ? `${plural(pool.waiting, "request waiting", "requests waiting")}` : "none waiting");
  return parts.join(" · ");
}

function drawCounts(pool) {
  const bad = (number) => (number ? "bad" : "");
  facts(at("pool-counts"), [
    ["boots", count(pool.boots)],
    ["boot, median", seconds(pool.boot_seconds.p50)],
    ["wait, median", seconds(pool.wait_seconds.p50)],
    ["wait, p99", seconds(pool.wait_seconds.p99)],
    ["reused", count(pool.connections_reused)],
    ["resets", count(pool.resets)],
    ["messages kept", count(pool.messages_kept)],
    ["messages written", count(pool.messages_replayed)],
    ["retries", count(pool.retries)],
    ["failed boots", count(pool.boot_failures), bad(pool.boot_failures)],
    ["wait timeouts", count(pool.acquire_timeouts), bad(pool.acquire_timeouts)],
    ["turn timeouts", count(pool.turn_timeouts), bad(pool.turn_timeouts)],
    ["failed health checks", count(pool.health_check_failures), bad(pool.health_check_failures)],
    ["retired", listed(pool.retirements) || "none"],
  ]);
}

function drawProcesses(now) {
  const workers = now.pool?.workers ?? [];
  const byWorker = new Map(now.running.map((one) => [one.worker, one]));
  match(at("workers"), workers, (one) => one.id, makeTile, (tile, one) => drawTile(tile, one, byWorker.get(one.id)));
  at("no-workers").hidden = workers.length > 0;
  at("pool-counts").hidden = !now.pool;
  if (!now.pool) {
    say(at("processes-note"), "");
    say(at("no-workers"), "Pooling is disabled: each request starts its own process. Set [pool_settings] enabled = true to keep processes warm.");
    return;
  }
  say(at("processes-note"), note(now.pool, now.settings));
  say(at("no-workers"), "No processes are running: the next request starts one. Set [pool_settings] min_size to keep some warm.");
  drawCounts(now.pool);
}

// Tables of requests.

function makeRow(names, labels = {}) {
  const row = make("tr");
  row.setAttribute("role", "row");
  for (const name of names) {
    const cell = make("td", name);
    cell.setAttribute("role", "cell");
    row.append(cell);
  }
  for (const [index, label] of Object.entries(labels)) row.children[index].dataset.label = label;
  return row;
}

function sayRequest(cell, one) {
  const route = one.route || "(no such route)";
  const key = `${one.method} ${route} ${one.token}`;
  if (cell.shown === key) return;
  cell.shown = key;
  cell.replaceChildren(make("span", "method", one.method), " ", make("span", "mono", route));
  if (one.token) cell.append(make("span", "sub", ` · ${one.token}`));
}

function makeRunning() {
  const row = makeRow(["what", "plain", "plain mono", "plain", "number", "wide"]);
  row.lastChild.append(makeBar(), make("div", "bar-text"));
  return row;
}

function drawRunningRow(row, one) {
  const [what, model, worker, stage, time, where] = row.children;
  sayRequest(what, one);
  say(model, one.model);
  say(worker, one.worker);
  say(stage, one.stage);
  say(time, seconds(one.seconds));
  setBar(where.firstChild, one.spent);
  say(where.lastChild, inWords(one.spent));
}

function drawRunning(now) {
  const shown = now.running.slice(0, SHOWN);
  match(at("running").tBodies[0], shown, (one) => one.id, makeRunning, drawRunningRow);
  at("running").hidden = shown.length === 0;
  at("no-running").hidden = shown.length > 0;
  const more = now.running.length - shown.length;
  at("running-more").hidden = more <= 0;
  say(at("running-more"), `and ${plural(more, "more")}`.replace("mores", "more"));
}

function makeLatest() {
  const names = ["plain", "plain", "what", "plain", "number", "number", "number", "number", "number", "narrow"];
  const row = makeRow(names, { 4: "in", 5: "out", 6: "cost", 7: "sent" });
  row.lastChild.append(makeBar(), make("span", "unseen"));
  return row;
}

function sayStatus(cell, one) {
  const tone = one.status === null || one.status >= 500 ? "bad" : one.status >= 400 || one.failure ? "warn" : "good";
  const sign = { bad: "closing", warn: "warning", good: "ok" }[tone];
  const word = make("span", "status", glyph(sign), one.status === null ? "left" : String(one.status));
  word.dataset.is = tone;
  cell.append(word);
}

function fillLatest(row, one) {
  const [ended, status, what, model, input, output, cost, sent, time, where] = row.children;
  const tokens = one.tokens;
  say(ended, clock(one.at));
  sayStatus(status, one);
  sayRequest(what, one);
  if (one.failure) what.append(make("span", "failure", ` ${one.refusal || one.failure}${one.refused_at ? ` at ${one.refused_at}` : ""}`));
  say(model, one.model);
  say(input, tokens ? count(tokens.input + tokens.cache_read + tokens.cache_write) : "");
  say(output, tokens ? count(tokens.output) : "");
  say(cost, one.cost === null ? "" : dollars(one.cost));
  say(sent, bytes(one.sent));
  say(time, seconds(one.seconds));
  setBar(where.firstChild, one.spent);
  say(where.lastChild, inWords(one.spent));
  where.title = inWords(one.spent);
}

// What has ended stays as it is: a row is written once.
function makeLatestOf(one) {
  const row = makeLatest();
  fillLatest(row, one);
  return row;
}

function drawLatest(now) {
  const { latest } = now;
  const shown = view.showsAll ? latest : latest.slice(0, FEW);
  match(at("latest").tBodies[0], shown, (one) => one.id, makeLatestOf, () => {});
  at("latest").hidden = latest.length === 0;
  at("no-latest").hidden = latest.length > 0;
  at("all").hidden = latest.length <= FEW;
  say(at("all"), view.showsAll ? `Show the latest ${FEW}` : `Show all ${latest.length}`);
  const failed = latest.filter((one) => one.failure || one.status === null || one.status >= 500).length;
  say(at("latest-note"), latest.length ? `${latest.length}, newest first · ${failed ? `${failed} with an error` : "no errors"}` : "");
}

// Plots.

// The last five minutes in bins: how many ended and failed, the median of the medians, and the
// highest p99, as percentiles of a whole cannot be made from those of its parts.
function bins(now) {
  const last = Math.floor(now.time / BIN) * BIN;
  const found = Array.from({ length: SECONDS / BIN }, () => ({ ended: 0, failed: 0, p50: [], p99: null }));
  for (const [second, ended, failed, p50, p99] of now.history) {
    const bin = found[found.length - 1 - (last - Math.floor(second / BIN) * BIN) / BIN];
    if (!bin) continue;
    bin.ended += ended;
    bin.failed += failed;
    if (p50 !== null) bin.p50.push(p50);
    if (p99 !== null) bin.p99 = Math.max(bin.p99 ?? 0, p99);
  }
  for (const bin of found) bin.p50 = bin.p50.sort((a, b) => a - b)[Math.floor((bin.p50.length - 1) / 2)] ?? null;
  return found;
}

const LEFT = 48;
const TOP = 8;
const BOTTOM = 20;

// Where things are in a plot of this size; `y` is of a share from 0 to 1.
function frame(box) {
  const width = Math.max(box.clientWidth, 120);
  const height = Math.max(box.clientHeight, 80);
  const step = (width - LEFT) / (SECONDS / BIN);
  return {
    width,
    height,
    step,
    x: (index) => LEFT + index * step,
    y: (share) => height - BOTTOM - share * (height - TOP - BOTTOM),
  };
}

function axes(f, levels) {
  const nodes = [];
  for (const [share, label] of levels) {
    const y = Math.round(f.y(share)) + 0.5;
    nodes.push(svg("path", { class: "grid", d: `M${LEFT} ${y}H${f.width}` }));
    nodes.push(svg("text", { x: LEFT - 6, y: y + 3.5, "text-anchor": "end" }, label));
  }
  for (let minutes = 5; minutes >= 0; minutes -= 1) {
    const x = f.x(((5 - minutes) * 60) / BIN);
    const anchor = minutes === 5 ? "start" : minutes === 0 ? "end" : "middle";
    const text = minutes === 0 ? "now" : `−${minutes} min`;
    if (f.width > 420 || minutes % 2 === 1 || minutes === 0) {
      nodes.push(svg("text", { x, y: f.height - 4, "text-anchor": anchor }, text));
    }
  }
  return nodes;
}

function put(box, f, nodes) {
  box.replaceChildren(svg("svg", { viewBox: `0 0 ${f.width} ${f.height}`, "aria-hidden": "true" }, ...nodes));
}

// The next of 1, 2, 5, 10, ... that is not below.
function round(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= value * 0.999);
}

function drawRates(found) {
  const f = frame(at("rates"));
  const most = round(Math.max(1, ...found.map((bin) => bin.ended / BIN)));
  const [ended, failed, crosses] = [[], [], []];
  const gap = f.step > 4 ? 1.5 : 0.6;
  found.forEach((bin, index) => {
    const x = f.x(index) + gap / 2;
    const box = (from, to) => `M${x} ${f.y(from)}H${x + f.step - gap}V${f.y(to)}H${x}Z`;
    const [bad, all] = [bin.failed / BIN / most, bin.ended / BIN / most];
    if (all > bad) ended.push(box(bad, all));
    if (!bad) return;
    failed.push(box(0, bad));
    crosses.push(cross(x + (f.step - gap) / 2, Math.max(TOP - 2, f.y(all) - 6)));
  });
  put(at("rates"), f, [
    ...axes(f, [[0, "0"], [0.5, String(most / 2)], [1, String(most)]]),
    svg("path", { class: "ended", d: ended.join("") }),
    svg("path", { class: "failed", d: failed.join("") }),
    svg("path", { class: "cross", d: crosses.join("") }),
  ]);
}

const cross = (x, y) => `M${x - 2.5} ${y - 2.5}l5 5m0-5l-5 5`;

// A line through the bins that have a value; one that stands alone is a dot.
function line(values, f, shareOf) {
  let path = "";
  values.forEach((value, index) => {
    if (value === null) return;
    const spot = `${f.x(index + 0.5).toFixed(1)} ${f.y(shareOf(value)).toFixed(1)}`;
    path += (values[index - 1] ?? null) === null ? `M${spot}h.01` : `L${spot}`;
  });
  return path;
}

function drawTimes(found) {
  const f = frame(at("times"));
  const values = found.flatMap((bin) => [bin.p50, bin.p99]).filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(0.1, ...values)) + 1e-9);
  const high = Math.max(Math.ceil(Math.log10(Math.max(1, ...values)) - 1e-9), low + 1);
  const shareOf = (value) => Math.max(0, (Math.log10(Math.max(value, 1e-9)) - low) / (high - low));
  const levels = [];
  for (let power = low; power <= high; power += 1) levels.push([(power - low) / (high - low), unit(power)]);
  put(at("times"), f, [
    ...axes(f, levels),
    svg("path", { class: "p99", d: line(found.map((bin) => bin.p99), f, shareOf) }),
    svg("path", { class: "p50", d: line(found.map((bin) => bin.p50), f, shareOf) }),
  ]);
}

const unit = (power) => (power < -3 ? `${10 ** (power + 6)} µs` : power < 0 ? `${10 ** (power + 3)} ms` : `${10 ** power} s`);

function drawPlots(now) {
  const found = bins(now);
  drawRates(found);
  drawTimes(found);
  const { recent } = now;
  const peak = Math.max(0, ...now.history.map((row) => row[1]));
  const failed = recent.failed ? `${count(recent.failed)} failed` : "none failed";
  say(at("rates-text"), recent.ended ? `${plural(recent.ended, "request")} ended, ${failed}; at most ${count(peak)} in one second. A bar is ${BIN} s.` : "No requests ended in the last five minutes.");
  say(at("times-text"), recent.ended ? `Median ${seconds(recent.p50)}, p90 ${seconds(recent.p90)}, p99 ${seconds(recent.p99)} of the latest ${count(Math.min(recent.ended, 1000))}. The scale is logarithmic.` : "Nothing to show yet.");
}

// The forward pool.

function makeUpstream(upstream) {
  const title = make("h3", "", make("span", "", upstream.name), make("span", "status", glyph("ok"), make("span")));
  return make("li", "upstream", title, make("p", "url mono"), make("dl"), make("p", "errors"));
}

function condition(one) {
  if (one.state !== "ok") return ["bad", "warning", "Failing"];
  return one.requests ? ["good", "ok", "OK"] : ["none", "idle", "Not used yet"];
}

function drawUpstream(node, one) {
  const [title, url, list, errors] = node.children;
  const status = title.lastChild;
  const [is, sign, word] = condition(one);
  mark(status, "is", is);
  point(status.firstChild, sign);
  say(status.lastChild, word);
  say(url, one.url);
  facts(list, [
    ["open", count(one.open_connections)],
    ["in use", count(one.in_use_connections)],
    ["idle", count(one.idle_connections)],
    ["waiting", count(one.waiting)],
    ["requests", count(one.requests)],
    ["reused", percent(one.reuse_rate)],
    ["first byte p50", seconds(one.first_byte_seconds.p50)],
    ["first byte p99", seconds(one.first_byte_seconds.p99)],
    ["retries", count(one.retries)],
    ["clients left", count(one.clients_left)],
    ["whole p50", seconds(one.total_seconds.p50)],
    ["whole p99", seconds(one.total_seconds.p99)],
  ]);
  const kinds = listed(one.errors);
  errors.className = kinds ? "errors bad" : "errors";
  say(errors, kinds ? `Errors: ${kinds}` : "No errors");
}

function drawForward(now) {
  const upstreams = Object.entries(now.http_pool).map(([name, one]) => ({ name, ...one }));
  match(at("upstreams"), upstreams, (one) => one.name, makeUpstream, drawUpstream);
  at("no-upstreams").hidden = upstreams.length > 0;
}

// All of it.

const view = { now: null, heard: 0, isPaused: false, showsAll: false, isLost: false, why: "" };

function draw(now) {
  drawTop(now);
  if (view.isPaused) return;
  drawNumbers(now);
  drawProcesses(now);
  drawRunning(now);
  drawPlots(now);
  drawLatest(now);
  drawForward(now);
}

function show(now) {
  Object.assign(view, { now, heard: Date.now(), isLost: false });
  document.body.classList.remove("stale");
  draw(now);
}

function lost(why) {
  Object.assign(view, { isLost: true, why });
  document.body.classList.add("stale");
  state("Connection lost: reconnecting", "bad", "warning");
  tellAge();
}

function tellAge() {
  if (!view.isLost) return;
  const what = view.now ? `The data below is from ${clock(view.now.time)}, ${long((Date.now() - view.heard) / 1000)} ago. ` : "";
  const gone = Date.now() - (view.heard || view.begun) > 30000;
  const advice = gone ? "Is the server running? " : "";
  notice(`${view.why} ${what}${advice}This page goes on by itself when it is back.`, "bad");
}

function unauthorized() {
  view.isLost = false;
  document.body.classList.add("stale");
  state("Not allowed", "bad", "warning");
  notice("This server requires a token. Reload the page: your browser will ask for a name, which can be anything, and a password, which is the token (one of [auth] tokens in the server's settings).", "bad");
}

// Being told.

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const found = (rest + value).split("\n");
    rest = found.pop();
    yield* found;
  }
}

// Follow the server until it stops telling. Fetched by hand, as an EventSource writes each
// failure into the console, and does not tell a 401 from a server that is away.
async function follow() {
  const leaving = new AbortController();
  let timer = setTimeout(() => leaving.abort(), SILENCE);
  try {
    const response = await fetch("/status/events", { signal: leaving.signal, cache: "no-store" });
    if (!response.ok) {
      leaving.abort();
      return response.status;
    }
    for await (const text of lines(response.body)) {
      clearTimeout(timer);
      timer = setTimeout(() => leaving.abort(), SILENCE);
      if (text.startsWith("data: ")) show(JSON.parse(text.slice(6)));
    }
    return 200;
  } catch {
    return 0;
  } finally {
    clearTimeout(timer);
  }
}

// The status with which the server answers: 0 if it does not, undefined where the browser does
// not tell of failures. By an object, as in the page's template.
function probe() {
  performance.clearResourceTimings();
  const object = at("probe").content.cloneNode(true).firstElementChild;
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, SILENCE, 0);
    const settle = (status) => {
      clearTimeout(timer);
      setTimeout(() => resolve(status()), 50); // the timing is written a little later
    };
    object.addEventListener("load", () => settle(() => 200));
    object.addEventListener("error", () => settle(failedWith));
    document.body.append(object);
  }).finally(() => object.remove());
}

function failedWith() {
  const entry = performance.getEntriesByType("resource").at(-1);
  return entry ? entry.responseStatus : 0;
}

// A page that nobody looks at does not look for its server.
function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Wait until it is worth asking again.
async function wait() {
  for (let tries = 1, time = 500; ; tries += 1, time = Math.min(time * 1.5, LONGEST_PAUSE)) {
    await pause(time);
    await visible();
    const status = await probe();
    if (status === 200 || status === 401) return status;
    if (status === undefined && tries % BLIND === 0) return 0;
    view.why = reason(status);
  }
}

function reason(status) {
  if (status === 200) return "The server closed the connection.";
  return status ? `The server responds with status ${status}.` : "The server does not answer.";
}

async function run() {
  view.begun = Date.now();
  for (let status = 0; status !== 401; ) {
    status = await follow();
    if (status === 401) break;
    lost(reason(status));
    status = await wait();
  }
  unauthorized();
}

function toggle() {
  view.isPaused = !view.isPaused;
  at("pause").setAttribute("aria-pressed", String(view.isPaused));
  if (!view.isPaused && view.now) draw(view.now);
}

function toggleAll() {
  view.showsAll = !view.showsAll;
  at("all").setAttribute("aria-expanded", String(view.showsAll));
  if (view.now) drawLatest(view.now);
}

say(at("try"), `curl ${location.origin}/v1/messages -d '{"model": "claude-haiku-4-5", "max_tokens": 100,\n  "messages": [{"role": "user", "content": "Hello!"}]}'`);
at("pause").addEventListener("click", toggle);
at("all").addEventListener("click", toggleAll);
new ResizeObserver(() => view.now && drawPlots(view.now)).observe(at("rates"));
setInterval(tellAge, 1000);
run();
