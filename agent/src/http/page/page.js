"use strict";
(() => {
const $ = id => document.getElementById(id);
const make = (tag, text, className) => {
  const it = document.createElement(tag);
  if (text !== undefined) it.textContent = text;
  if (className) it.className = className;
  return it;
};
const sum = list => list.reduce((a, b) => a + b, 0);
const last = list => list[list.length - 1];

/* What numbers are written as. */
const digits = v => Math.abs(v) < .005 ? "0" : Math.abs(v) < 10 ? v.toFixed(Math.abs(v) < 1 ? 2 : 1) : Math.round(v).toLocaleString("en");
const scaled = (v, step, units) => {
  let at = 0;
  while (Math.abs(v) >= step && at < units.length - 1) { v /= step; at++; }
  return digits(v) + " " + units[at];
};
const UNITS = {
  percent: v => digits(v * 100) + " %",
  bytes: v => scaled(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]),
  rate: v => scaled(v, 1024, ["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"]),
  each: v => scaled(v, 1000, ["/s", "k/s", "M/s"]),
  seconds: v => v >= 1 ? digits(v) + " s" : v >= 1e-3 ? digits(v * 1e3) + " ms" : digits(v * 1e6) + " µs",
};
const written = (unit, v) => v === null || v === undefined || Number.isNaN(v) ? "–" : UNITS[unit](v);

/* The recording: times, and charts with a number for each of them and each line. */
const KEPT = 900;
const tape = { times: [], charts: new Map() };
const grow = (lines, newer, key, before) => {
  for (const it of newer) {
    let mine = lines.find(line => line[key] === it[key]);
    if (!mine) lines.push(mine = { ...it, points: Array(before).fill(null) });
    mine.points.push(...it.points);
  }
};
const take = answer => {
  const before = tape.times.length, after = before + answer.times.length;
  for (const { lines, rows, aside, missing, ...chart } of answer.charts) {
    if (!tape.charts.has(chart.title)) tape.charts.set(chart.title, build({ ...chart, lines: [], rows: [], aside: [] }));
    const mine = tape.charts.get(chart.title);
    mine.missing = missing;
    grow(mine.lines, lines, "name", before);
    grow(mine.rows, rows, "upper", before);
    grow(mine.aside, aside ? [aside] : [], "name", before);
    for (const { points } of [...mine.lines, ...mine.rows, ...mine.aside]) {
      while (points.length < after) points.push(null);
      points.splice(0, after - KEPT);
    }
  }
  tape.times.push(...answer.times);
  tape.times.splice(0, after - KEPT);
};
/* The lines with most in them, by the time shown. */
const largest = (lines, from) => {
  const weight = new Map(lines.map(it => [it, sum(it.points.slice(from).map(v => v || 0))]));
  return lines.sort((a, b) => weight.get(b) - weight.get(a)).slice(0, 6);
};

let minutes = 5, paused = false, cursor = null;
const colours = () => {
  const style = getComputedStyle(document.documentElement);
  const of = name => style.getPropertyValue("--" + name).trim();
  return { lines: Array.from({ length: 8 }, (_, i) => of("c" + i)), grid: of("grid"), dim: of("dim"), fg: of("fg"), heat: of("heat") };
};

/* The points shown: those of the last minutes. */
const shown = () => {
  const end = last(tape.times) || 0, begin = end - minutes * 60e3;
  const from = tape.times.findIndex(time => time > begin);
  return { begin, end, from: Math.max(from, 0) };
};
const build = chart => {
  const figure = make("figure"), caption = make("figcaption");
  chart.note = make("small");
  caption.append(make("h3", chart.title), chart.note);
  chart.canvas = make("canvas");
  chart.canvas.tabIndex = 0;
  chart.canvas.setAttribute("role", "img");
  chart.legend = make("ul");
  chart.absent = make("p", "", "why");
  figure.append(caption, chart.canvas, chart.legend, chart.absent);
  $("charts").append(figure);
  chart.canvas.addEventListener("pointermove", event => {
    const { begin, end } = shown(), box = chart.canvas.getBoundingClientRect();
    const time = begin + (event.clientX - box.left - chart.left) / (box.width - chart.left) * (end - begin);
    cursor = tape.times.reduce((best, it) => Math.abs(it - time) < Math.abs(best - time) ? it : best, end);
    draw();
  });
  chart.canvas.addEventListener("pointerleave", () => { cursor = null; draw(); });
  chart.canvas.addEventListener("blur", () => { cursor = null; draw(); });
  chart.canvas.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30 }[event.key];
    if (event.key === "Escape") cursor = null;
    else if (step) {
      const at = cursor === null ? tape.times.length - 1 : tape.times.indexOf(cursor);
      cursor = tape.times[Math.min(Math.max(at + step, shown().from), tape.times.length - 1)] ?? null;
      event.preventDefault();
    } else return;
    draw();
  });
  return chart;
};

const legend = (chart, lines, at) => {
  const items = lines.map((line, i) => {
    return make("li", line.name + ": " + written(chart.unit, line.points[at]), "c" + i % 8);
  });
  chart.legend.replaceChildren(...items);
  chart.canvas.setAttribute("aria-label", chart.title + ". " + items.map(it => it.textContent).join(", "));
};

const nice = (top, unit) => {
  if (unit === "bytes" || unit === "rate") {
    let step = 1;
    while (step < top) step *= 2;
    return step;
  }
  if (unit === "percent" && top > .5) return 1;
  const power = 10 ** Math.floor(Math.log10(top));
  return [1, 2, 5, 10].map(it => it * power).find(it => it >= top * 0.999);
};

const prepare = chart => {
  const canvas = chart.canvas, ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "11px system-ui,sans-serif";
  return { pen, width, height: height - 16 };
};
const frame = (chart, area, colour, marks) => {
  const { pen, width, height } = area;
  chart.left = Math.ceil(Math.max(...marks.map(mark => pen.measureText(mark.text).width))) + 6;
  pen.strokeStyle = colour.grid;
  pen.fillStyle = colour.dim;
  pen.lineWidth = 1;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const mark of marks) {
    const y = Math.round(mark.y) + .5;
    pen.beginPath(); pen.moveTo(chart.left, y); pen.lineTo(width, y); pen.stroke();
    pen.fillText(mark.text, chart.left - 4, Math.min(Math.max(y, 6), height - 3));
  }
  pen.textBaseline = "alphabetic";
  pen.textAlign = "left";
  pen.fillText("−" + minutes + " min", chart.left, height + 13);
  pen.textAlign = "right";
  pen.fillText(paused ? new Date(shown().end).toLocaleTimeString() : "now", width, height + 13);
};
const stroke = (area, x, y, points, from, fill, base) => {
  const { pen } = area;
  let run = [];
  const end = () => {
    if (run.length) {
      pen.beginPath();
      run.forEach((i, n) => n ? pen.lineTo(x(i), y(points[i])) : pen.moveTo(x(i), y(points[i])));
      if (fill) {
        [...run].reverse().forEach(i => pen.lineTo(x(i), y(base[i])));
        pen.closePath(); pen.fill();
      } else pen.stroke();
    }
    run = [];
  };
  for (let i = from; i < points.length; i++) points[i] === null || points[i] === undefined ? end() : run.push(i);
  end();
};
const mark = (chart, area, x, at, colour) => {
  if (cursor === null) return;
  area.pen.strokeStyle = colour.fg;
  area.pen.beginPath(); area.pen.moveTo(x(at), 0); area.pen.lineTo(x(at), area.height); area.pen.stroke();
};

const place = () => cursor === null ? tape.times.length - 1 : tape.times.indexOf(cursor);
const drawLines = (chart, colour) => {
  const { begin, end, from } = shown(), at = place();
  let lines = chart.lines.filter(it => it.points.some(v => v !== null));
  if (chart.kind === "largest") lines = largest(lines, from);
  const stacked = chart.kind === "stacked";
  chart.absent.textContent = lines.length ? "" : chart.missing || "No sample so far.";
  chart.canvas.hidden = !lines.length;
  chart.note.textContent = chart.aside.filter(it => last(it.points)).map(it => it.name + ": " + written(chart.unit, last(it.points))).join();
  legend(chart, lines, at);
  if (!lines.length) return;
  const area = prepare(chart), { height } = area;
  const base = tape.times.map(() => 0);
  const tops = stacked ? lines.map((_, n) => tape.times.map((_, i) =>
    lines[n].points[i] === null ? null : sum(lines.slice(0, n + 1).map(it => it.points[i] || 0)))) : lines.map(it => it.points);
  const least = { percent: .01, rate: 1024, each: 1 }[chart.unit] || 1;
  const most = Math.max(least, ...tops.flatMap(points => points.slice(from).map(v => v || 0)));
  const top = stacked && chart.unit === "percent" ? 1 : nice(most, chart.unit);
  const y = v => height - v / top * (height - 6);
  frame(chart, area, colour, [0, .5, 1].map(part => ({ text: written(chart.unit, part * top), y: y(part * top) })));
  const x = i => chart.left + (tape.times[i] - begin) / (end - begin) * (area.width - chart.left);
  area.pen.lineWidth = 1.5;
  area.pen.lineJoin = "round";
  tops.forEach((points, n) => {
    if (stacked) {
      area.pen.fillStyle = colour.lines[n % 8];
      stroke(area, x, y, points, from, true, n ? tops[n - 1].map(v => v || 0) : base);
    } else {
      area.pen.strokeStyle = colour.lines[n % 8];
      stroke(area, x, y, points, from);
    }
  });
  mark(chart, area, x, at, colour);
};

const drawLatency = (chart, colour) => {
  const { begin, end, from } = shown(), at = place();
  const { lines, rows } = chart;
  chart.absent.textContent = rows.length ? "" : chart.missing || "None so far.";
  chart.canvas.hidden = !rows.length;
  legend(chart, rows.length ? lines : [], at);
  if (!rows.length) return;
  chart.note.textContent = written("each", sum(rows.map(it => it.points[at] || 0)));
  const area = prepare(chart), { pen, height } = area;
  const low = Math.log2(Math.min(...rows.map(it => it.upper))) - 1, high = Math.log2(Math.max(...rows.map(it => it.upper)));
  const y = v => height - (Math.log2(v) - low) / (high - low) * (height - 6);
  const decades = [];
  for (let e = Math.ceil(low * Math.LOG10E * Math.LN2); 10 ** e <= 2 ** high; e++) decades.push(e);
  const marks = decades.map(e => ({ text: written("seconds", 10 ** e), y: y(10 ** e) }));
  frame(chart, area, colour, marks.length ? marks : [{ text: written("seconds", 2 ** high), y: y(2 ** high) }]);
  const x = i => chart.left + (tape.times[i] - begin) / (end - begin) * (area.width - chart.left);
  const most = Math.max(1e-9, ...rows.flatMap(it => it.points.slice(from).map(v => v || 0)));
  for (const { upper, points } of rows) for (let i = Math.max(from, 1); i < points.length; i++) if (points[i]) {
    pen.fillStyle = "rgba(" + colour.heat + "," + (.08 + .72 * Math.log1p(points[i]) / Math.log1p(most)).toFixed(2) + ")";
    const left = Math.max(x(i - 1), x(i) - (area.width - chart.left) / minutes / 20, chart.left);
    pen.fillRect(left, y(upper), x(i) - left + .6, y(upper / 2) - y(upper) + .5);
  }
  pen.lineWidth = 1.5;
  lines.forEach((line, n) => { pen.strokeStyle = colour.lines[n]; stroke(area, x, y, line.points.map(v => v > 0 ? v : null), from); });
  mark(chart, area, x, at, colour);
};

function draw() {
  const colour = colours();
  for (const chart of tape.charts.values()) (chart.kind === "latency" ? drawLatency : drawLines)(chart, colour);
  const time = cursor === null ? last(tape.times) : cursor;
  $("told").textContent = time ? (cursor === null && !paused ? "a point a second" : new Date(time).toLocaleTimeString()) : "begins to record …";
}

const get = async (path, how) => {
  const answer = await fetch(path, { headers: { accept: how === "json" ? "application/json" : "text/plain" } });
  if (!answer.ok) throw new Error(answer.status + " " + await answer.text());
  return answer[how]();
};
const look = async () => {
  if (document.hidden || paused) return;
  try {
    take(await get("api/v1/recorder?since=" + (last(tape.times) || 0), "json"));
    draw();
  } catch (error) { $("told").textContent = "no answer: " + error.message; }
};

/* Processes and control groups by what they used since the last look, where their collectors run. */
const KINDS = { processes: "Processes with most CPU", cgroup: "Units, pods and other control groups with most CPU" };
let used = { time: 0, groups: [] };
const tops = async () => {
  const tells = ["process_top", "cgroup_usage"];
  if (document.hidden || paused || !known.some(it => tells.includes(it.collector.name) && ["running", "not_run"].includes(it.collector.state))) return;
  const time = performance.now(), groups = await get("api/v1/groups", "json");
  const seconds = (time - used.time) / 1000;
  const before = new Map(used.groups.map(it => [it.kind + it.name, it.cpu_seconds]));
  const tables = Object.entries(KINDS).map(([kind, title]) => {
    const rows = groups.filter(it => it.kind === kind)
      .map(it => ({ ...it, rate: (it.cpu_seconds - before.get(it.kind + it.name)) / seconds }))
      .filter(it => it.rate >= 0).sort((a, b) => b.rate - a.rate).slice(0, 10).map(({ name, rate, memory_bytes }) => {
        const row = make("tr");
        row.append(make("td", name), make("td", written("percent", rate), "n"), make("td", written("bytes", memory_bytes), "n"));
        return row;
      });
    const table = make("table"), head = make("tr");
    head.append(make("th", "Name"), make("th", "CPU", "n"), make("th", "Memory", "n"));
    table.append(make("caption", title), head, ...rows);
    return rows.length ? table : "";
  });
  used = { time, groups };
  $("tops").replaceChildren(...tables);
};

/* What is wrong, and how collectors fare, as the page itself has it. */
const renew = async () => {
  if (document.hidden) return;
  try {
    // Style and script are here already, and the policy would have nothing of another answer's.
    const text = (await get(location.pathname, "text")).replace(/<(style|script)[\s\S]*?<\/\1>/g, "");
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const part of ["#wrong", "#collectors table", "header p"]) document.querySelector(part).replaceWith(page.querySelector(part));
    await learn();
  } catch (error) { $("told").textContent = "no answer: " + error.message; }
};

/* The families that there are, and the search. */
let known = [];
async function learn() {
  const collectors = await get("api/v1/collectors", "json");
  known = collectors.flatMap(it => it.families.map(family => ({ ...family, collector: it })));
}
const stands = family => name => family.name === name || family.name.includes("*") &&
  new RegExp("^" + family.name.replace("*", ".+") + "$").test(name);
function why(name, families = known.filter(it => stands(it)(name))) {
  const sources = families.map(it => it.collector);
  if (!sources.length || sources.some(it => ["running", "not_run"].includes(it.state))) return "";
  const it = sources.find(it => it.state !== "disabled") || sources[0];
  if (it.state === "disabled") return "Missing: the collector " + it.name + " is not enabled. What helps: [collector." + it.name +
    "] enabled = true in the config, or --collector." + it.name + ".";
  return "Missing: the collector " + it.name + " is " + it.state.replace("_", " ") + ": " + it.reason + "." + (it.remedy ? " What helps: " + it.remedy + "." : "");
}
const samples = async (family, into) => {
  const exact = family.name.includes("*") ? "" : "&name[]=" + family.name;
  const path = document.body.dataset.metrics + "?collect[]=" + family.collector.name + exact;
  try {
    const lines = (await get(path, "text")).split("\n").filter(line => line && line[0] !== "#")
      .map(line => line.match(/^([^{ ]+)(\{.*\})? (\S+)/)).filter(Boolean)
      .filter(([, name]) => stands(family)(name) || family.type === "histogram" && name.startsWith(family.name));
    const table = make("table");
    for (const [, name, labels, value] of lines.slice(0, 100)) {
      const row = make("tr");
      row.append(make("td", (family.name.includes("*") || name !== family.name ? name : "") + (labels || "") || name), make("td", Number.isFinite(+value) ? (+value).toLocaleString("en", { maximumSignificantDigits: 12 }) : value, "n"));
      table.append(row);
    }
    into.replaceChildren(lines.length ? table : make("p", "The collector runs and has no sample of it on this host now.", "why"));
    if (lines.length > 100) into.append(make("p", "… and " + (lines.length - 100) + " more"));
  } catch (error) { into.replaceChildren(make("p", "no answer: " + error.message, "why")); }
};
const entry = family => {
  const it = make("details"), head = make("summary"), values = make("div");
  head.append(make("b", family.name), make("small", " " + [family.type, family.unit, family.collector.name].filter(Boolean).join(" · ")));
  const missing = why(family.name, [family]);
  if (missing) head.append(make("small", " · missing", "why"));
  it.append(head, make("p", family.help));
  if (family.labels.length) it.append(make("p", "Labels: " + family.labels.join(", ")));
  it.append(missing ? make("p", missing, "why") : values);
  it.addEventListener("toggle", () => { if (it.open && !missing) samples(family, values); });
  return it;
};
const search = () => {
  const query = $("query").value.trim(), words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) { $("found").replaceChildren(); $("count").textContent = ""; return; }
  const named = known.filter(it => stands(it)(query) || stands(it)(query.replace(/_(bucket|sum|count)$/, "")));
  const text = it => (it.name + " " + it.help + " " + it.collector.name).toLowerCase();
  const found = named.length ? named : known.filter(it => words.every(word => text(it).includes(word)));
  found.sort((a, b) => words.every(word => b.name.includes(word)) - words.every(word => a.name.includes(word)));
  $("count").textContent = found.length ? found.length + (found.length === 1 ? " family" : " families") + (found.length > 50 ? ", of which 50 are shown" : "")
    : "No collector of this hostlens gives it: look for words of what it should say.";
  const entries = found.slice(0, 50).map(entry);
  $("found").replaceChildren(...entries);
  if (found.length === 1) entries[0].open = true;
};

if ($("live")) {
  $("live").hidden = false;
  for (const button of document.querySelectorAll("[data-minutes]")) button.addEventListener("click", () => {
    minutes = +button.dataset.minutes;
    for (const it of document.querySelectorAll("[data-minutes]")) it.setAttribute("aria-pressed", it === button);
    draw();
  });
  $("pause").addEventListener("click", () => {
    paused = !paused;
    $("pause").setAttribute("aria-pressed", paused);
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("resize", draw);
  setInterval(look, 1000);
  setInterval(() => tops().catch(error => { $("told").textContent = "no answer: " + error.message; }), 5000);
}
$("find").hidden = false;
$("query").addEventListener("input", search);
addEventListener("keydown", event => {
  if (event.key === "/" && document.activeElement !== $("query")) { event.preventDefault(); $("query").focus(); }
});
learn().catch(error => { $("count").textContent = "no answer: " + error.message; }).then(() => $("live") && look());
setInterval(renew, 15000);
})();
