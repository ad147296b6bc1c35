/*
 * The live page: asks for what has changed every second, and draws it.  What machines say (names, reasons, lines)
 * only ever becomes text, never markup.
 */
"use strict";

const PERIOD = 1000, KEPT = 300, LOG_KEPT = 5000, LOG_SHOWN = 1000;
const SVG = "http://www.w3.org/2000/svg";
const $ = id => document.getElementById(id);

const machines = []; /* by index: the row of the server's, with what is remembered of it */
const history = { calls: [], latency: [], median: [], slowest: [] };
const phaseNames = [];
let loadScale = 1; /* the load that fills a bar: of the busiest machine */
let facts = {}, gen = 0, paused = false, chosen = 0, lines = [], next = null, rate = null, pending = new Set();

/* ---- texts ---- */

const element = (name, text, title) => {
	const e = document.createElement(name);
	if (text !== undefined) e.textContent = text;
	if (title) e.title = title;
	return e;
};
const time = us => us < 1000 ? `${us.toFixed(0)} µs` : us < 1e6 ? `${(us / 1000).toPrecision(3)} ms` : `${(us / 1e6).toPrecision(3)} s`;
const seconds = ms => ms < 1000 ? `${ms.toFixed(0)} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s` :
	ms < 3600000 ? `${Math.floor(ms / 60000)} min ${Math.floor(ms / 1000) % 60} s` :
	`${Math.floor(ms / 3600000)} h ${Math.floor(ms / 60000) % 60} min`;
const bytes = n => {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let i = 0;
	while (n >= 1024 && i < 4) { n /= 1024; i++; }
	return `${n < 10 && i > 0 ? n.toFixed(1) : n.toFixed(0)} ${units[i]}`;
};
const count = n => n >= 1e6 ? `${(n / 1e6).toPrecision(3)} M` : n >= 1e4 ? `${(n / 1000).toPrecision(3)} k` :
	n < 10 && n % 1 ? n.toFixed(1) : n.toFixed(0);
const money = n => `${n.toFixed(n < 1 ? 4 : 2)} USD`;

/* ---- machines ---- */

/* How a machine is: its colour, and whether it wants to be looked at. */
const kind = m => m.reason ? "bad" : m.state === "STOPPED" ? "gone" : m.ill || m.notice || m.state === "STARTING" ? "busy" : "good";
const trouble = m => m.reason || m.notice || (m.ill ? "says that it is not healthy" : "");

const makeCell = index => {
	const cell = element("div"), svg = document.createElementNS(SVG, "svg"), line = document.createElementNS(SVG, "polyline");
	cell.className = "cell";
	cell.setAttribute("role", "option");
	cell.tabIndex = index === chosen ? 0 : -1;
	cell.dataset.index = index;
	svg.setAttribute("viewBox", "0 0 29 10");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.setAttribute("aria-hidden", "true");
	svg.append(line);
	const load = element("meter"), memory = element("meter");
	memory.max = 1;
	memory.high = .9;
	load.max = 1;
	cell.append(element("b"), element("i"), svg, load, memory);
	return { cell, line, load, memory, name: cell.children[0], state: cell.children[1] };
};

const drawCell = m => {
	const f = m.state === "STOPPED" ? null : m.figures, view = m.view, state = m.phase || m.state.toLowerCase();
	const most = Math.max(1, ...m.beats_kept);
	view.cell.className = `cell ${kind(m)}`;
	view.name.textContent = m.machine;
	view.state.textContent = m.notice ? "draining" : m.reason ? "failed" : state;
	view.line.setAttribute("points", m.beats_kept.map((us, i) => `${i},${(9.5 - 9 * us / most).toFixed(1)}`).join(" "));
	view.load.value = f ? Math.min(1, f.load / loadScale) : 0;
	view.memory.value = f && f.total ? f.used / f.total : 0;
	const words = `${m.machine} ${m.label ? m.label + " " : ""}${m.reason ? "failed" : state}` +
		(f ? `, load ${f.load.toFixed(2)}, memory ${bytes(f.used)} of ${bytes(f.total)}` : "") +
		(m.keepalive.length ? `, keepalive ${time(m.keepalive[0])}` : "") + (trouble(m) ? `, ${trouble(m)}` : "");
	view.cell.setAttribute("aria-label", words);
	view.cell.title = words;
};
const take = row => {
	const old = machines[row.index];
	const m = Object.assign(old || { view: makeCell(row.index), beats_kept: [], seen: 0, rate: 0, errors_rate: 0, latency: 0 }, row);
	for (const name of ["reason", "notice", "label"]) if (!(name in row)) m[name] = "";
	machines[row.index] = m;
	if (!old) $("grid").append(m.view.cell);
	const fresh = Math.min(m.beats - m.seen, m.keepalive.length);
	for (let i = fresh - 1; i >= 0; i--) m.beats_kept.push(m.keepalive[i]);
	m.beats_kept.splice(0, m.beats_kept.length - 30);
	m.seen = m.beats;
	takeFigures(m);
	for (const [name] of m.phases) if (!phaseNames.includes(name)) phaseNames.push(name);
	pending.add(m);
};

/* Rates, from two looks at the same counters; a machine that became another program begins anew. */
const takeFigures = m => {
	const f = m.figures, b = m.before;
	if (!f || (b && b.at === f.at)) return;
	if (b && f.calls >= b.calls && f.at > b.at) {
		const n = f.calls - b.calls;
		m.rate = n * 1000 / (f.at - b.at);
		m.errors_rate = (f.errors - b.errors) * 1000 / (f.at - b.at);
		m.latency = n > 0 ? Math.max(0, f.time - b.time) * 1e6 / n : 0;
	}
	m.before = f;
};

/* ---- over time ---- */

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const prepare = (canvas, height) => {
	const ratio = devicePixelRatio || 1, width = canvas.clientWidth;
	if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
		canvas.width = Math.round(width * ratio);
		canvas.height = Math.round(height * ratio);
	}
	const c = canvas.getContext("2d");
	c.setTransform(ratio, 0, 0, ratio, 0, 0);
	c.clearRect(0, 0, width, height);
	c.font = "11px system-ui, sans-serif";
	return [c, width];
};
const chart = (id, series, format) => {
	const height = 90, [c, width] = prepare($(id), height);
	const most = Math.max(1e-9, ...series.flatMap(s => s.values)) * 1.15;
	c.strokeStyle = colour("--line");
	c.beginPath();
	c.moveTo(0, height - .5);
	c.lineTo(width, height - .5);
	c.stroke();
	for (const s of series) {
		c.strokeStyle = colour(s.colour);
		c.lineWidth = 1.5;
		c.beginPath();
		s.values.forEach((value, i) => {
			const x = width - (s.values.length - 1 - i) * width / (KEPT - 1), y = height - 2 - (height - 6) * value / most;
			if (i) c.lineTo(x, y); else c.moveTo(x, y);
		});
		c.stroke();
	}
	c.fillStyle = colour("--faint");
	c.fillText(format(most), 2, 11);
};
const remember = (list, value) => {
	list.push(value);
	if (list.length > KEPT) list.shift();
};
const drawCharts = () => {
	let calls = 0, errors = 0, weight = 0;
	const beats = [];
	for (const m of machines) {
		if (m.state !== "RUNNING") continue;
		calls += m.rate;
		errors += m.errors_rate;
		weight += m.rate * m.latency;
		if (m.keepalive.length) beats.push(m.keepalive[0]);
	}
	beats.sort((a, b) => a - b);
	const median = beats[beats.length >> 1] || 0, slowest = beats[beats.length - 1] || 0, latency = calls ? weight / calls : 0;
	remember(history.calls, calls);
	remember(history.latency, latency);
	remember(history.median, median);
	remember(history.slowest, slowest);
	$("calls-now").value = count(calls) + (errors > 0 ? `, ${count(errors)} failed` : "");
	$("latency-now").value = calls ? time(latency) : "no calls";
	$("keepalive-now").value = beats.length ? `${time(median)}, ${time(slowest)}` : "";
	redraw();
};
const redraw = () => {
	chart("calls", [{ values: history.calls, colour: "--accent" }], n => `${count(n)} /s`);
	chart("latency", [{ values: history.latency, colour: "--accent" }], time);
	chart("keepalive", [{ values: history.slowest, colour: "--second" }, { values: history.median, colour: "--accent" }], time);
	drawStart();
};

/* ---- the start ---- */

const phaseColour = i => colour(`--p${Math.min(i, 4)}`);
const drawStart = () => {
	const all = machines.filter(m => m), n = all.length;
	/* One that is lost in the crowd is no less: every so many is drawn. */
	const step = Math.ceil(n / 300) || 1, shown = all.filter((m, i) => i % step === 0 || m.reason);
	const row = Math.max(1, Math.min(16, Math.floor(240 / Math.max(1, shown.length))));
	const height = shown.length * row + 18, canvas = $("start");
	canvas.style.height = `${height}px`;
	const [c, width] = prepare(canvas, height);
	const names = row >= 11 ? 70 : 0;
	const first = Math.min(...shown.map(m => m.start)), end = m => m.running || (m.state === "STARTING" ? facts.now : (m.phases.at(-1) || [0, m.start])[1]);
	const last = Math.max(first + 1, ...shown.map(end));
	const x = ms => names + (width - names - 40) * (ms - first) / (last - first);
	shown.forEach((m, i) => {
		const y = i * row, thick = row > 3 ? row - 2 : row;
		m.phases.forEach(([name, begin], j) => {
			const to = j + 1 < m.phases.length ? m.phases[j + 1][1] : end(m);
			c.fillStyle = phaseColour(phaseNames.indexOf(name));
			c.fillRect(x(begin), y, Math.max(1, x(to) - x(begin)), thick);
		});
		c.fillStyle = colour(m.running ? "--p5" : m.state === "STOPPED" ? "--bad" : "--busy");
		c.fillRect(x(end(m)), y, Math.max(2, Math.min(4, row)), thick);
		if (names) {
			c.fillStyle = colour("--text");
			c.fillText(m.machine, 0, y + row - 4, names - 6);
		}
	});
	c.fillStyle = colour("--faint");
	for (let i = 0; i <= 4; i++) {
		const ms = first + (last - first) * i / 4;
		c.textAlign = i === 0 ? "left" : "center";
		if (n) c.fillText(seconds(ms - first), x(ms), height - 4);
	}
	c.textAlign = "left";
};
const drawLegend = () => {
	const parts = phaseNames.map((name, i) => [name, `p${Math.min(i, 4)}`]).concat([["RUNNING", "p5"]]);
	$("legend").replaceChildren(...parts.map(([name, c]) => {
		const e = element("span", name);
		e.style.color = `var(--${c})`;
		return e;
	}));
};

/* ---- words ---- */

const drawSummary = () => {
	const states = {};
	let price = 0;
	for (const m of machines) {
		const s = m.notice ? "draining" : m.reason ? "failed" : m.state.toLowerCase();
		states[s] = (states[s] || 0) + 1;
		if (m.state !== "STOPPED") price += m.usd_per_hour || 0;
	}
	const words = Object.entries(states).map(([s, n]) => `${n} ${s}`).join(", ");
	$("cluster").textContent = facts.cluster;
	document.title = `${facts.cluster} – bigm`;
	$("summary").textContent = `${facts.phase === "up" ? "" : facts.phase + ": "}${machines.length} machine${machines.length === 1 ? "" : "s"}` +
		`${words ? ": " + words : ""} – ${facts.system}, up ${seconds(facts.now)}${paused ? " – PAUSED" : ""}`;
	$("summary").className = facts.phase === "up" ? "" : "lost";
	const spent = facts.usd_spent;
	$("cost").hidden = !(price > 0 || spent > 0);
	$("cost").textContent = `${money(price)} an hour${spent > 0 ? `, ${money(spent)} so far` : ""}`;
	const bad = machines.filter(trouble);
	$("problems").hidden = bad.length === 0;
	$("problems").replaceChildren(...bad.slice(0, 5).map(m => {
		const item = element("li"), text = trouble(m);
		item.append(element("b", m.machine), ` ${text.startsWith(m.machine + ": ") ? text.slice(m.machine.length + 2) : text}`);
		return item;
	}), ...bad.length > 5 ? [element("li", `and ${bad.length - 5} more`)] : []);
};
/* Of that machine alone; those of all are at the end of the page. */
const flameGraphs = m => {
	const links = element("span");
	for (const [name, text, query] of [["profile", "processors, for 5 s", "&seconds=5"], ["heap", "memory"], ["threads", "threads"]]) {
		const link = element("a", text);
		link.href = `debug/bigmachine/pprof/${name}?format=flamegraph&machine=${m.machine}${query || ""}`;
		links.append(link, " ");
	}
	return links;
};
const drawDetail = () => {
	const m = machines[chosen], f = m && m.figures;
	const pairs = !m ? [] : [
		["machine", m.machine + (m.label ? `/${m.label}` : "")], ["state", m.phase ? `${m.state}, ${m.phase}` : m.state],
		["address", m.address], ["came up in", m.running ? seconds(m.running - m.start) : ""],
		["load", f ? f.load.toFixed(2) : ""], ["memory of its host", f ? `${bytes(f.used)} of ${bytes(f.total)}` : ""],
		["its process", f ? bytes(f.resident) : ""], ["keepalive", m.keepalive.length ? time(m.keepalive[0]) : ""],
		["calls", f ? `${count(f.calls)}, ${count(m.rate)} /s${f.errors ? `, ${count(f.errors)} failed` : ""}` : ""],
		["host", m.host], ["type", m.type], ["zone", m.zone], ["instance", m.instance], ["costs", m.usd_per_hour ? `${money(m.usd_per_hour)} an hour` : ""],
		["", trouble(m)],
		["look into it", m.state === "RUNNING" ? flameGraphs(m) : null],
	];
	$("detail").replaceChildren(...pairs.filter(([, value]) => value).map(([name, value]) => {
		const pair = element("div");
		const dd = element("dd");
		dd.append(value);
		pair.append(element("dt", name), dd);
		return pair;
	}));
};

/* ---- the log ---- */

const wanted = line => {
	const filter = $("filter").value.trim().toLowerCase();
	if (!filter) return true;
	return filter.endsWith(":") ? line[1].toLowerCase() === filter.slice(0, -1) :
		line[2].toLowerCase().includes(filter) || line[1].toLowerCase().includes(filter);
};
const drawLine = line => {
	const e = element("div");
	e.append(element("time", new Date(line[0]).toISOString().slice(11, 23)), " ", element("b", line[1]), ` ${line[2]}`);
	return e;
};
const follow = () => {
	if ($("follow").checked) $("log").scrollTop = $("log").scrollHeight;
};
const countLines = () => {
	$("log-count").value = `${$("log").childElementCount} of the last ${lines.length} lines`;
};
const drawLog = () => {
	$("log").replaceChildren(...lines.filter(wanted).slice(-LOG_SHOWN).map(drawLine));
	countLines();
	follow();
};
const addLines = more => {
	lines = lines.concat(more).slice(-LOG_KEPT);
	const log = $("log");
	log.append(...more.filter(wanted).slice(-LOG_SHOWN).map(drawLine));
	while (log.childElementCount > LOG_SHOWN) log.firstChild.remove();
	countLines();
	follow();
};

/* ---- looking ---- */

const get = async path => {
	const reply = await fetch(path, { cache: "no-store" });
	if (!reply.ok) throw new Error(await reply.text());
	return reply.json();
};
const draw = () => {
	const began = performance.now(), before = phaseNames.length, scale = Math.max(1, ...machines.map(m => m.figures && m.state !== "STOPPED" ? m.figures.load : 0));
	/* All bars mean something else then. */
	if (scale > loadScale || scale < loadScale / 2) {
		loadScale = scale;
		machines.forEach(m => pending.add(m));
	}
	for (const m of pending) drawCell(m);
	pending.clear();
	$("grid").className = machines.length > 200 ? "crowd" : machines.length > 24 ? "many" : "";
	drawSummary();
	/* A link that somebody is about to follow stays. */
	if (!$("detail").matches(":focus-within")) drawDetail();
	drawCharts();
	if (before !== $("legend").childElementCount - 1) drawLegend();
	document.documentElement.dataset.drawn = machines.length;
	document.documentElement.dataset.drawMs = (performance.now() - began).toFixed(1);
};
const look = async () => {
	const data = await get(`live/data?since=${gen}`);
	/* Another cluster may have the place of the one before. */
	if (facts.cluster && (data.facts.cluster !== facts.cluster || data.gen < gen)) location.reload();
	gen = data.gen;
	facts = data.facts;
	data.machines.forEach(take);
	const log = await get(next === null ? "live/log" : `live/log?after=${next}`);
	next = log.next;
	if (log.skipped) addLines([[Date.now(), "…", "lines are missing here: there were too many"]]);
	if (log.lines.length) addLines(log.lines);
	requestAnimationFrame(draw);
};
const tick = async () => {
	const began = performance.now();
	try {
		if (!paused && !document.hidden) await look();
	} catch (error) {
		$("summary").textContent = `${facts.cluster || "the keeper"} cannot be reached: it has ended, or is stopped`;
		$("summary").className = "lost";
	}
	setTimeout(tick, Math.max(100, PERIOD - (performance.now() - began)));
};

/* ---- keyboard and mouse ---- */

const choose = (index, focus) => {
	if (!machines.length) return;
	machines[chosen] && (machines[chosen].view.cell.tabIndex = -1);
	chosen = Math.max(0, Math.min(machines.length - 1, index));
	const cell = machines[chosen].view.cell;
	cell.tabIndex = 0;
	for (const m of [machines[chosen]]) $("grid").setAttribute("aria-activedescendant", m.machine);
	if (focus) cell.focus();
	drawDetail();
};
const columns = () => getComputedStyle($("grid")).gridTemplateColumns.split(" ").length;
const moves = {
	ArrowRight: () => chosen + 1, ArrowLeft: () => chosen - 1, ArrowDown: () => chosen + columns(), ArrowUp: () => chosen - columns(),
	Home: () => 0, End: () => machines.length - 1,
};
const nextTrouble = () => {
	const n = machines.length;
	for (let i = 1; i <= n; i++) if (trouble(machines[(chosen + i) % n])) return choose((chosen + i) % n, true);
};
const keys = {
	g: () => choose(chosen, true), e: nextTrouble, l: () => $("log").focus(), "/": () => $("filter").focus(),
	p: () => { paused = !paused; drawSummary(); },
};
addEventListener("keydown", event => {
	if (event.ctrlKey || event.metaKey || event.altKey) return;
	if (event.key === "Escape") {
		if (event.target === $("filter")) { $("filter").value = ""; drawLog(); }
		document.activeElement.blur();
	} else if (event.target.tagName !== "INPUT" && event.target.classList.contains("cell") && moves[event.key]) {
		choose(moves[event.key](), true);
		event.preventDefault();
	} else if (event.target.type !== "search" && keys[event.key]) {
		keys[event.key]();
		event.preventDefault();
	}
});
$("grid").addEventListener("click", event => {
	const cell = event.target.closest(".cell");
	if (cell) choose(Number(cell.dataset.index), true);
});
$("grid").addEventListener("focusin", event => {
	if (event.target.dataset.index !== undefined && Number(event.target.dataset.index) !== chosen) choose(Number(event.target.dataset.index));
});
$("filter").addEventListener("input", drawLog);
$("log").addEventListener("scroll", () => {
	const log = $("log");
	if (log.scrollTop + log.clientHeight < log.scrollHeight - 30 && log === document.activeElement) $("follow").checked = false;
});
$("follow").addEventListener("change", follow);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("resize", redraw);
tick();
